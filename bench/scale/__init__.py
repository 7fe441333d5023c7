"""What grows with a cache and what does not: `python -m bench.scale`.

Probes in fresh processes, and their tables.
"""

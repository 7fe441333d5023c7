"""Stage 1 by each of its engines on the same cores, their caches compared: `python -m bench.engines`.

Each run is a process of its own, started as people start it.
"""

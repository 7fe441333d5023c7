"""How good an ensemble is on people whose labels are known: `python -m infer.evaluate`.

Scores out of fold with intervals, their tables, pictures and pages.
"""

"""Weights, thresholds and members fitted honestly: `python -m infer.tune`.

Fits by nested folds, greedy selection, and what reports them.
"""

"""Whether training waits for its loader, and what a step costs: `python -m bench.train`.

Measurements of real training.
"""

"""How do gradients become steps, steps a schedule, and weights an average?

Nothing here knows of photos or folds.
"""

"""By how much scores lie when photos, not people, are dealt to folds: `python -m train.leak`.

This demonstration only.
"""

"""Are the locked packages free of known holes? `python -m tests.packages`.

The versions of the locks beside the lowest ones without a known hole, and pip-audit's database.
"""

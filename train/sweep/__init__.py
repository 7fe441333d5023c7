"""Search over the fields of a recipe: `python -m train.sweep`.

The sweep file, its study and its report.
"""

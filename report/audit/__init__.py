"""Which labels are probably wrong?

What enters: labels, out-of-fold answers, and what a person decides on them.
"""

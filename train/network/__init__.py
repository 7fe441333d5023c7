"""What is trained and judged.

Backbone and heads, how classes are coded, losses.
"""

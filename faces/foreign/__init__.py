"""Tables that come from outside, whoever made them and whatever program saved them.

Cells of text, columns by their names, and photos and people by theirs.
"""

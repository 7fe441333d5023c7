"""Which photos there are, and what is known about each.

A layout of folders or tables, and the words for labels; nothing opens a photo's pixels.
"""

"""Faces of a photo, and which square of it is cut.

The rules that stage 1 and the exported program follow; how faces are found is theirs.
"""

"""Tests of the cache: its format, its description, its parts.

What a file here imports of other rooms serves to set up, not to be tested.
"""

"""Tests of files that tell their own damage, and of cells of tables.

What a file here imports of other rooms serves to set up, not to be tested.
"""

"""Tests of preprocess.look.

What a file here imports of other rooms serves to set up, not to be tested.
"""

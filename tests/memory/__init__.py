"""Tests of compiled loops beside memory that may not be touched.

What a file here imports of the rooms is what it tests.
"""

"""Tests in the rooms of what they test.

`conftest.py` has the caches that many share; helpers/ what several rooms build on.
"""

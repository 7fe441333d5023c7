"""Drawn people with known labels, to try everything out without a photo.

Only what draws them and lays them out as data sets.
"""

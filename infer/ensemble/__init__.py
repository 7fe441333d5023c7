"""The way from many answers to one: the tree of votes, compositions and overrides.

Trees, their files, the rules of voting in numpy and torch, calibration; nothing here runs a network.
"""

"""How answers become one: the tree of votes, compositions and overrides.

Trees, their files, the vote, calibration; nothing here runs a network.
"""

"""Addresses: where photos, caches, runs and predictions lie that are not on this machine.

What an address is, reading and writing there despite faults, and the local folder in which it is worked on.
"""

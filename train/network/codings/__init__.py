"""How heads tell the classes of their task: one kind a file, with all that belongs to it side by side.

A new file that sets `CODING` (train/network/coding.py) is all that a new one takes; nothing else enters.
"""

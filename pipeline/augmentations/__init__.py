"""What can happen to a training photo: one augmentation a file, with all that belongs to it side by side.

A new file that sets `AUGMENTATION` (pipeline/definition.py) is all that a new one takes; nothing else enters.
"""

"""The readers under test, one file for each kind of file.

Each makes small sound files, damages one in bytes or in what it says, and reads it.
"""

"""The face-crop cache: its format, reading and writing it.

What a cache says of itself, its crops by row, and how its shards come to be.
"""

"""Published sets of photos, each read as it is unpacked: one module a set, and one that two of them share.

A set's module has a `LAYOUT`, which recognises the set and reads it, and a line in `preprocess.sources.scan`.
"""

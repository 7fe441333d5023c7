"""Other libraries' loaders, for comparison only: the same crops, augmented as alike as they allow.

A module a loader, each with `open_rival(task)`, which writes the crops in the library's own format, builds
the loader once, and returns a function that runs one epoch. `process` runs each in a process of its own.
"""

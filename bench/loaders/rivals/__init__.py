"""One loader a file, each with `open_rival(task)`.

A module here runs in a process of its own and may need packages that only `make bench-peers` installs.
"""

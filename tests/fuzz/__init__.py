"""Readers of files that nobody of ours wrote, given damaged ones without end: `python -m tests.fuzz`.

How files are changed, what is tried with them in a process of its own, and what a reader may answer.
"""

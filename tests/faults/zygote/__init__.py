"""Processes that begin at once, as what they import is loaded already.

Only processes: what they run and how it is judged is above.
"""

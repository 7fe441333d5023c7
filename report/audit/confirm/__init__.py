"""Is the label wrong? A page on this machine that asks a person.

What enters: what serves, draws and keeps the decisions; nothing that judges.
"""

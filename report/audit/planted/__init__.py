"""How many wrong labels does an audit find, of those that were planted?

What enters: what plants errors, trains on them and counts what is found.
"""

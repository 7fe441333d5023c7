"""What trained networks answer to photos, each by itself.

Runs, views, passes over the cache, kept answers, answers out of fold.
"""

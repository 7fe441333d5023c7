"""Answers of trained networks to photos, each by itself.

Runs, views, passes over the cache, stored answers, answers out of fold.
"""

"""What tests of several rooms build on: small caches, runs, pictures and graphs.

Nothing here asserts.
"""

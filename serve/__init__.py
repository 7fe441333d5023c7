"""A service that answers photos, and its page, on this machine.

What enters: what answers requests; no training, no caches.
"""

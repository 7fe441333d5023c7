"""Where the face is in a photo.

Detectors, and the order in which they search.
"""

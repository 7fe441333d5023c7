"""Files of photos, of which nothing is known: what they are, and whether they are whole.

The one gate that opens a photo, for stage 1 and the exported program; standard library, numpy, Pillow alone.
"""

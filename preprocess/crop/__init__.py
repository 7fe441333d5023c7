"""From a photo and its face to the stored crop.

Reading photos, cutting and resizing squares, removing backgrounds, encoding.
"""

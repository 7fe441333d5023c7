"""The stored crop, made from a photo and its face.

Reading photos, cutting and resizing squares, removing backgrounds, encoding.
"""

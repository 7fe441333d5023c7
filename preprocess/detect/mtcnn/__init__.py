"""MTCNN over many photos at once, with facenet-pytorch's weights and boxes.

Its three networks and what they need between them.
"""

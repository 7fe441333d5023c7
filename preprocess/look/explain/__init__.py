"""One photo: what stage 1 makes of it, and why.

The faces that each step finds, the one taken, the square and the crop, as a picture and in words.
"""

"""What the graph does to pixels.

One operator a file, for the CPU (compiled) and for the GPU (DALI's own).
"""

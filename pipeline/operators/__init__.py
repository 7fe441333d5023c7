"""What the graph does to pixels.

One compiled operator of the CPU a file, and the numbers that they take; policies and draws stay out.
"""

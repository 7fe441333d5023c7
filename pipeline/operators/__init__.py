"""What the graph does to pixels.

One compiled operator of the CPU a file, the numbers that they take, and decoding ahead of them; policies and
draws stay out.
"""

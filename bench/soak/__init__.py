"""Does anything grow in hours of work? `python -m bench.soak`.

Training and preprocessing over and over, what their processes hold meanwhile, and whether that is flat.
"""

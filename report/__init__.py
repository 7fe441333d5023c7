"""What is in a cache, a run, an ensemble, on one page?

What enters: pages and their panels; numbers come from the stages.
"""

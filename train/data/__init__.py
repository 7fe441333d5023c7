"""What a batch teaches.

Rows of a fold, targets, teachers' answers, the sampler, and mixing photos.
"""

"""The program that an export puts beside its model: `infer.export.compose` makes one file of these.

They import of ours only one another and what is composed with them, and no torch.
"""

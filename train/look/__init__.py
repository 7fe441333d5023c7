"""What does a recipe train on, as a picture?

What enters: a sheet of photos as training sees them, and its command.
"""

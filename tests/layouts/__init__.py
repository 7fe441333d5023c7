"""Known layouts of photos, from their files to answers in words.

Only what goes through all three stages: each stage has its own tests.
"""

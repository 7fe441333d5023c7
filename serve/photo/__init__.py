"""What does an exported ensemble answer to one photo in memory?

What enters: photos, crops, answers; neither torch nor anything of a network protocol.
"""

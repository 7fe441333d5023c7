"""Where in a crop does a network look for its answer?

What enters: networks and crops; nothing of votes or files of answers.
"""

"""Where in a crop does a network look for its answer, and how much of that is face?

What enters: networks, crops and what lies where on them; nothing of votes or files of answers.
"""

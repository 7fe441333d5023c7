"""What does an exported model, or an ensemble, answer to one photo in memory?

What enters: photos, crops, answers; no network protocol, and torch only to export an ensemble.
"""

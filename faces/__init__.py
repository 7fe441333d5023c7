"""Words that all stages share: labels, the cache's format, folds, scores, settings.

Nothing here needs a network library or knows a stage.
"""

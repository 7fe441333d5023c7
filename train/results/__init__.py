"""What training reports: curves, scores, trackers, recipes side by side.

Readers of run folders and what draws them; nothing here trains.
"""

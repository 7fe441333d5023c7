"""Stage 1: photos become a cache of face crops."""

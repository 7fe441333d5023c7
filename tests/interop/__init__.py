"""What programs of others read of a cache, compared by key with what its own reader says. Each of them has a
file here, which is skipped where it is not installed."""

"""Tests of the order of an epoch: how it is divided among processes, and rows computed from their places."""

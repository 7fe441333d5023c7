"""Predictions as files: the submission, its checks, its score, what differs between two.

Whoever reads or writes `answers.csv`, `submission.csv`, `probabilities.parquet` or `networks.parquet`.
"""

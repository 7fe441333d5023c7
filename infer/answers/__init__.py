"""Predictions as files: the submission, its checks, its score, what differs between two.

Whoever reads or writes `submission.csv` or `networks.parquet`.
"""

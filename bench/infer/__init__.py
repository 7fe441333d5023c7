"""Predicting beside a batch-1 loop and the bare networks: `python -m bench.infer`.

Ways of predicting, each in a process of its own.
"""

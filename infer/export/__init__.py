"""Runs and ensembles for use without this project: `python -m infer.export`.

ONNX, torch.export, metadata, and the single-file predictor, which imports nothing of ours.
"""

"""Runs and ensembles for use without this project: `python -m infer.export`.

ONNX, torch.export, metadata, and predict.py, composed of sources of ours into one file.
"""

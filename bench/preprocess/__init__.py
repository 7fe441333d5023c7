"""Stage 1 beside facenet-pytorch: `python -m bench.preprocess`.

Detectors, the whole stage, memory.
"""

"""The whole job, photos to submission, as teams write it and by the product: `python -m bench.whole`.

People, the script as teams write it, the product's commands, and both in turns.
"""

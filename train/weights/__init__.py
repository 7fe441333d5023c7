"""Which weights are known by name, what do they hold, and how are they brought here?

Packages are fetched, their tensors get timm's names, and a known answer is checked.
"""

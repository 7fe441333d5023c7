"""An epoch of a cache at an address beside the same one on this machine: `python -m bench.remote`.

The address is one that is given, or an S3 server on this machine.
"""

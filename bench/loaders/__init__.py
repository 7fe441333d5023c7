"""The loader beside other libraries' loaders: `python -m bench.loaders`.

What installs, starts, times and reports the rivals.
"""

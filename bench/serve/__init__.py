"""The service under load, beside the predictor that it answers by: `python -m bench.serve`.

Clients on this machine; the service in a process of its own.
"""

"""The real code on real engines: many threads, faults in every client, lossy transport.

`python -m tests.engines --help` runs it at any size.
"""

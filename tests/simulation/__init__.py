"""Seeded histories: the real store, relay and runner code under one scheduler.

Each history is decided by its seed alone. `python -m tests.simulation --help` runs many,
or one again.
"""

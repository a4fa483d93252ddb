"""Explicit-state models of the protocols that the guarantees rest on."""

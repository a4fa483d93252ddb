"""Two releases of the bank beside each other on one truth: made, moved between, and compared."""

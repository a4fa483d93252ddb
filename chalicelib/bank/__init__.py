"""The contexts of the bank. A new context is a folder, and a line in `registry`."""

"""Fields and bodies that several contexts of the bank share over HTTP."""

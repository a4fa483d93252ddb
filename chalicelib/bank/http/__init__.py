"""What the HTTP of several contexts of the bank shares."""

"""Sequencing and publishing: from committed items to one order, and to the bus."""

"""The relay: it brings commits from their streams into the log, and blocks to the bus."""

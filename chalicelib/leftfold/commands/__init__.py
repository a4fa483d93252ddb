"""Commands: load a stream, decide, and append the events. Also reads states for other decisions."""

"""Forgetting a subject, and showing what is held about it (docs/adr/0019)."""

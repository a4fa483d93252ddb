"""Notices: what customers are told, by e-mail, of what has happened."""

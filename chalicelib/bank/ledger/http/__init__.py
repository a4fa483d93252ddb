"""Ledgers over HTTP."""

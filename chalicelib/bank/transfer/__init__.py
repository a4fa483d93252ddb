"""Transfers: money that moves from one account to another, step by step."""

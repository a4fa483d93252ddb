"""Transfers over HTTP."""

from chalicelib.bank.transfer.http.problems import problems
from chalicelib.bank.transfer.http.transfers import routes

__all__ = ["problems", "routes"]

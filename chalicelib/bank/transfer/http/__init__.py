"""Transfers over HTTP."""

from chalicelib.bank.transfer.http import trace, transfers
from chalicelib.bank.transfer.http.problems import problems
from chalicelib.leftfold.http.routes import Route

__all__ = ["problems", "routes"]

routes: tuple[Route, ...] = (*transfers.routes, *trace.routes)

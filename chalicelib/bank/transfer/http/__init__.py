"""Transfers over HTTP."""

from chalicelib.bank.http.event_bodies import body_json
from chalicelib.bank.transfer.http import trace, transfers
from chalicelib.bank.transfer.http.problems import problems
from chalicelib.leftfold.http.routes import Route

__all__ = ["bodies", "problems", "routes"]

bodies = {"transfer": body_json}

routes: tuple[Route, ...] = (*transfers.routes, *trace.routes)

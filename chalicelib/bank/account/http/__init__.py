"""Accounts over HTTP: their commands, and what can be asked of them."""

from chalicelib.bank.account.domain import account
from chalicelib.bank.account.http import accounts, bookings, statements, totals
from chalicelib.bank.account.http.problems import problems
from chalicelib.bank.http.event_bodies import body_json
from chalicelib.leftfold.http.history import history_route
from chalicelib.leftfold.http.routes import Route

__all__ = ["bodies", "problems", "routes"]

bodies = {"account": body_json}

routes: tuple[Route, ...] = (
    *accounts.routes,
    *statements.routes,
    history_route(account, "/accounts", "The whole history of an account", body_json),
    *bookings.routes,
    *totals.routes,
)

"""Accounts: opened, booked on, frozen, closed; their statements and the bank's totals."""

from chalicelib.bank.account import domain, invariants, views
from chalicelib.leftfold.kernel import Context

ACCOUNT = Context(
    aggregates=(domain.account,),
    views=(views.balances, views.ranking, views.bookings, views.statements, views.totals),
    http="chalicelib.bank.account.http",
    invariants={"money": invariants.money},
)

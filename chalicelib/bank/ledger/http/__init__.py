"""Ledgers over HTTP: charts and years, entries, and reports."""

from chalicelib.bank.ledger.http import ledgers, reports
from chalicelib.bank.ledger.http.problems import problems
from chalicelib.leftfold.http.routes import Route

__all__ = ["problems", "routes"]

routes: tuple[Route, ...] = (*ledgers.routes, *reports.routes)

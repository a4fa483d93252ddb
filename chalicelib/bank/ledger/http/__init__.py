"""Ledgers over HTTP: charts and years, entries, and reports."""

from chalicelib.bank.ledger.http import account_sheet, chart, entries, reports, years
from chalicelib.bank.ledger.http.event_bodies import body_json
from chalicelib.bank.ledger.http.problems import problems
from chalicelib.leftfold.http.routes import Route

__all__ = ["bodies", "problems", "routes"]

bodies = {"ledger": body_json, "journal": body_json}

routes: tuple[Route, ...] = (
    *chart.routes,
    *years.routes,
    *entries.routes,
    *reports.routes,
    *account_sheet.routes,
)

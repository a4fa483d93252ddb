"""Ledgers over HTTP: charts and years, entries, and reports."""

from chalicelib.bank.ledger.http import account_sheet, chart, entries, reports, years
from chalicelib.bank.ledger.http.problems import problems
from chalicelib.leftfold.http.routes import Route

__all__ = ["problems", "routes"]

routes: tuple[Route, ...] = (
    *chart.routes,
    *years.routes,
    *entries.routes,
    *reports.routes,
    *account_sheet.routes,
)

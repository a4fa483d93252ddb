"""The years of a ledger over HTTP: opened one after the other, and closed."""

from marshmallow import fields, validate

from chalicelib.bank.ledger.domain import CloseYear, OpenYear, ledger
from chalicelib.bank.ledger.http.fields import YEARS, Amount, LedgerChanged, year_field
from chalicelib.leftfold.http.commands import (
    GIVEN,
    HEEDED,
    OF_EVERY_COMMAND,
    Takes,
    command_routes,
    execute,
)
from chalicelib.leftfold.http.fields import NoFields, Shown, Strict, Whole
from chalicelib.leftfold.http.routes import Answer, Call, Route

STATES = ("open", "closing", "closed")


class YearBody(Strict):
    """The year to open: the one after the last."""

    year = year_field(required=True)


class YearPath(Strict):
    """Which year."""

    year = Whole(*YEARS, required=True)


class YearShown(Shown):
    """A year; *journalsClosed* counts the journals that have closed it. *profit* is income less
    expenses, once the year is closed.
    """

    year = fields.Integer(required=True)
    state = fields.String(required=True, validate=validate.OneOf(STATES))
    journals_closed = fields.Integer(required=True)
    profit = fields.List(fields.Nested(Amount), required=True)


def close_year(call: Call) -> Answer:
    """Begins the close; the ledger's document shows when the year is closed."""
    today = call.services.clock().date().isoformat()
    return execute(call, ledger, call.key, CloseYear(call.path["year"], today))


missing = ("ledger-missing",)

routes: tuple[Route, ...] = (
    *command_routes(
        ledger,
        "/ledgers",
        LedgerChanged(),
        {
            "years": Takes(
                "Open the next year",
                YearBody(),
                lambda body: OpenYear(body["year"]),
                (*missing, "year-exists", "year-not-next", "earlier-year-open"),
            ),
        },
    ),
    Route(
        "POST",
        "/ledgers/{id}/years/{year}/close",
        "close_year",
        "Close the oldest open year; the ledger's document shows when it is closed",
        close_year,
        LedgerChanged(),
        scope="commands",
        status=202,
        gives=GIVEN,
        aggregate=ledger,
        parts=YearPath(),
        body=NoFields(),
        heeds=HEEDED,
        problems=(
            *OF_EVERY_COMMAND,
            *missing,
            "year-not-open",
            "year-closed",
            "year-closing",
            "year-not-over",
            "earlier-year-open",
        ),
    ),
)

"""Fields, and an answer, that several routes of ledgers share."""

from typing import Any

from marshmallow import fields

from chalicelib.bank.ledger.domain import COMMODITY_DIGITS
from chalicelib.leftfold.http.fields import Fullmatch, Shown, Strict, WholeNumber, key

YEARS = (1000, 9998)

DECIMAL = Fullmatch(
    rf"^-?[0-9]{{1,18}}(\.[0-9]{{1,{COMMODITY_DIGITS}}})?$",
    reason='must be a plain decimal like "700.00"',
)
COMMODITY = Fullmatch(
    r"^[A-Z]([A-Z0-9'._-]{0,22}[A-Z0-9])?$", reason="must be a commodity's code like USD"
)
ACCOUNT = Fullmatch(
    r"^[A-Za-z0-9:_-]{1,120}$", reason="must be 1 to 120 letters, digits, :, _ and -"
)
# An entry's journal and its version there.
ENTRY = Fullmatch(r"^(0|[1-9][0-9]?)-[1-9][0-9]{0,14}$", reason="must be an entry's id like 3-17")


def account_field(**options: Any) -> fields.String:
    """The code of an account in the chart, such as Assets:Bank:Checking."""
    return fields.String(validate=ACCOUNT, **options)


def commodity_field(**options: Any) -> fields.String:
    """The code of a currency or of another commodity."""
    return fields.String(validate=COMMODITY, **options)


def entry_field(**options: Any) -> fields.String:
    """An entry's id."""
    return fields.String(validate=ENTRY, **options)


def year_field(**options: Any) -> fields.Integer:
    """A year, as a number."""
    return WholeNumber(*YEARS, **options)


class Amount(Strict):
    """An amount as text, in a currency of ISO 4217 or a commodity of the ledger."""

    amount = fields.String(required=True, validate=DECIMAL)
    currency = commodity_field(required=True)


class LedgerChanged(Shown):
    """A command's answer: the version that it made."""

    ledger_id = key(required=True)
    version = fields.Integer(required=True)

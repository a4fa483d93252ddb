"""Amounts of a ledger: MONEY whose currency may be a commodity that the ledger declared."""

from collections.abc import Mapping
from typing import Any

from marshmallow import fields

from chalicelib.bank.ledger.balances import Balances
from chalicelib.bank.ledger.domain import COMMODITY_DIGITS, LARGEST_OF_COMMODITY
from chalicelib.bank.money import LARGEST_AMOUNT, MINOR_DIGITS, decimal, minor_units
from chalicelib.leftfold.http.fields import Fullmatch, Strict

MOST_DIGITS = COMMODITY_DIGITS

DECIMAL = Fullmatch(
    rf"^-?[0-9]{{1,18}}(\.[0-9]{{1,{MOST_DIGITS}}})?$",
    reason='must be a plain decimal like "700.00"',
)
COMMODITY = Fullmatch(
    r"^[A-Z]([A-Z0-9'._-]{0,22}[A-Z0-9])?$", reason="must be a commodity's code like USD"
)


def commodity_field(**options: Any) -> fields.String:
    """The code of a currency or of another commodity."""
    return fields.String(validate=COMMODITY, **options)


class Amount(Strict):
    """An amount as text, in a currency of ISO 4217 or a commodity of the ledger."""

    amount = fields.String(required=True, validate=DECIMAL)
    currency = commodity_field(required=True)


def minor_of(given: Mapping[str, str], commodities: Mapping[str, int]) -> int | None:
    """Minor units of an Amount; None in a commodity that is not known.

    Raises ValueError, with a reason for people, for too many digits.
    """
    currency = given["currency"]
    digits = digits_of(currency, commodities)
    if digits is None:
        return None
    finer: int = 10 ** (kept_digits_of(currency, commodities) - digits)
    largest = LARGEST_OF_COMMODITY if currency in commodities else LARGEST_AMOUNT
    minor = minor_units(given["amount"], digits, currency) * finer
    if abs(minor) >= largest:
        raise ValueError(f"must be under {decimal(largest // finer, digits)}")
    return minor


def amount(minor: int, currency: str, commodities: Mapping[str, int]) -> dict[str, str]:
    """The Amount of minor units.

    It has the decimals of its commodity, and more where the commodity got them later than
    *commodities* was read: an amount is never rounded.
    """
    digits = digits_of(currency, commodities) or 0
    whole, _, part = decimal(minor, kept_digits_of(currency, commodities)).partition(".")
    shown = part[:digits] + part[digits:].rstrip("0")
    return {"amount": f"{whole}.{shown}" if shown else whole, "currency": currency}


def amounts(held: Mapping[str, int], commodities: Mapping[str, int]) -> list[dict[str, str]]:
    """An Amount for each currency of *held*, by code."""
    return [amount(minor, currency, commodities) for currency, minor in sorted(held.items())]


def digits_of(currency: str, commodities: Mapping[str, int]) -> int | None:
    """How many decimals a currency has; *commodities* are those that the ledger declared."""
    return commodities.get(currency, MINOR_DIGITS.get(currency))


def kept_digits_of(currency: str, commodities: Mapping[str, int]) -> int:
    """In how many decimals amounts are kept: a currency's own, or those of any commodity."""
    if currency in commodities:
        return COMMODITY_DIGITS
    return MINOR_DIGITS.get(currency, COMMODITY_DIGITS)


def by_account(balances: Balances) -> list[tuple[str, str, int]]:
    """(account, currency, minor units) in the order of their codes."""
    return [
        (account, currency, minor)
        for account, held in sorted(balances.items())
        for currency, minor in sorted(held.items())
    ]

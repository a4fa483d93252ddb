"""Amounts of a ledger as text: {"amount": "700.00", "currency": "CZK"}; integers inside.

The currency is one of ISO 4217, or a commodity that the ledger has declared.
"""

from collections.abc import Mapping

from chalicelib.bank.ledger.balances import Balances
from chalicelib.bank.ledger.domain import COMMODITY_DIGITS, LARGEST_OF_COMMODITY
from chalicelib.bank.money import LARGEST_AMOUNT, MINOR_DIGITS, decimal, minor_units


def minor_of(given: Mapping[str, str], commodities: Mapping[str, int]) -> int | None:
    """The integer of an amount as text; None in a commodity that is not known.

    *commodities* are those that the ledger has declared. Raises ValueError, with a reason
    for people, for text that is no decimal, for too many decimals and for too large an amount.
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
    """The amount as text of an integer.

    It has the decimals of its commodity, and more where the commodity got them later than
    *commodities* was read: an amount is never rounded.
    """
    digits = digits_of(currency, commodities) or 0
    whole, _, part = decimal(minor, kept_digits_of(currency, commodities)).partition(".")
    shown = part[:digits] + part[digits:].rstrip("0")
    return {"amount": f"{whole}.{shown}" if shown else whole, "currency": currency}


def amounts(by_currency: Mapping[str, int], commodities: Mapping[str, int]) -> list[dict[str, str]]:
    """An amount as text for each currency, in the order of their codes."""
    return [amount(minor, currency, commodities) for currency, minor in sorted(by_currency.items())]


def digits_of(currency: str, commodities: Mapping[str, int]) -> int | None:
    """The number of decimals of a currency or of one of *commodities*; None if it is neither."""
    return commodities.get(currency, MINOR_DIGITS.get(currency))


def kept_digits_of(currency: str, commodities: Mapping[str, int]) -> int:
    """The number of decimals with which amounts of a currency or a commodity are stored."""
    if currency in commodities:
        return COMMODITY_DIGITS
    return MINOR_DIGITS.get(currency, COMMODITY_DIGITS)


def by_account(balances: Balances) -> list[tuple[str, str, int]]:
    """(account, currency, integer amount) in the order of their codes."""
    return [
        (account, currency, minor)
        for account, of_account in sorted(balances.items())
        for currency, minor in sorted(of_account.items())
    ]

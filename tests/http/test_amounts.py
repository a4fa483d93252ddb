"""Amounts of a ledger have bounds on both sides of zero."""

import pytest

from chalicelib.bank.amounts import amount, minor_of
from chalicelib.bank.money import LARGEST_AMOUNT

COMMODITIES = {"XYZ": 3, "ABC": 0}


def given(text: str, currency: str = "ABC") -> int | None:
    return minor_of({"amount": text, "currency": currency}, COMMODITIES)


@pytest.mark.parametrize("sign", ["", "-"])
def test_an_amount_has_the_same_bound_below_zero_as_above(sign: str) -> None:
    """A ledger's credits are amounts below zero. Without a bound there, two entries would take
    a balance out of the 64 bits that a view's store adds in, and the view would stop.
    """
    largest = LARGEST_AMOUNT - 1
    assert given(f"{sign}{largest}") == int(f"{sign}{largest}")
    with pytest.raises(ValueError, match=f"must be under {LARGEST_AMOUNT}"):
        given(f"{sign}{LARGEST_AMOUNT}")
    with pytest.raises(ValueError, match=r"must be under 1000000000000\.000"):
        given(f"{sign}1000000000000.000", "XYZ")


def test_an_amount_in_a_commodity_that_nobody_declared_is_none() -> None:
    assert given("1", "NEW") is None


@pytest.mark.parametrize("minor", [0, 1, -1, 1_500, -1_500, LARGEST_AMOUNT - 1])
@pytest.mark.parametrize("currency", ["XYZ", "ABC", "JPY", "USD", "KWD"])
def test_an_amount_survives_its_text(minor: int, currency: str) -> None:
    assert minor_of(amount(minor, currency, COMMODITIES), COMMODITIES) == minor

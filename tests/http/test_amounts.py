"""Amounts of a ledger have bounds on both sides of zero."""

import pytest

from chalicelib.bank.ledger.amounts import amount, minor_of
from chalicelib.bank.ledger.domain import COMMODITY_DIGITS, LARGEST_OF_COMMODITY
from chalicelib.bank.money import LARGEST_AMOUNT, MINOR_DIGITS

COMMODITIES = {"XYZ": 3, "ABC": 0}
# The smallest amount that can be posted, as the integer that is stored.
STEPS = {
    **{code: 10 ** (COMMODITY_DIGITS - digits) for code, digits in COMMODITIES.items()},
    **dict.fromkeys(MINOR_DIGITS, 1),
}


def given(text: str, currency: str = "ABC") -> int | None:
    return minor_of({"amount": text, "currency": currency}, COMMODITIES)


@pytest.mark.parametrize("sign", ["", "-"])
def test_an_amount_has_the_same_bound_below_zero_as_above(sign: str) -> None:
    """A ledger's credits are amounts below zero. Without a bound there, two entries would take
    a balance out of the 64 bits that a view's store adds in, and the view would stop.
    """
    bound = LARGEST_OF_COMMODITY // STEPS["ABC"]
    assert given(f"{sign}{bound - 1}") == int(f"{sign}{bound - 1}") * STEPS["ABC"]
    with pytest.raises(ValueError, match=r"must be under 10000000000$"):
        given(f"{sign}{bound}")
    with pytest.raises(ValueError, match=r"must be under 10000000000\.000$"):
        given(f"{sign}10000000000.000", "XYZ")
    assert given(f"{sign}{LARGEST_AMOUNT - 1}", "JPY") == int(f"{sign}{LARGEST_AMOUNT - 1}")
    with pytest.raises(ValueError, match=f"must be under {LARGEST_AMOUNT}$"):
        given(f"{sign}{LARGEST_AMOUNT}", "JPY")
    with pytest.raises(ValueError, match=r"must be under 10000000000000\.00$"):
        given(f"{sign}10000000000000.00", "USD")


def test_an_amount_in_a_commodity_that_nobody_declared_is_none() -> None:
    assert given("1", "NEW") is None


@pytest.mark.parametrize("steps", [0, 1, -1, 1_500, -1_500, 10**10 - 1, 1 - 10**10])
@pytest.mark.parametrize("currency", ["XYZ", "ABC", "JPY", "USD", "KWD"])
def test_an_amount_survives_its_text(steps: int, currency: str) -> None:
    minor = steps * STEPS[currency]
    assert minor_of(amount(minor, currency, COMMODITIES), COMMODITIES) == minor


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("currency", ["XYZ", "ABC", "JPY", "USD", "KWD"])
def test_the_largest_amount_survives_its_text(sign: int, currency: str) -> None:
    largest = LARGEST_OF_COMMODITY if currency in COMMODITIES else LARGEST_AMOUNT
    minor = sign * (largest - STEPS[currency])
    assert minor_of(amount(minor, currency, COMMODITIES), COMMODITIES) == minor

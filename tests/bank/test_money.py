"""Money: exact, in minor units, and strict about what it reads."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.bank.account.invariants import money
from chalicelib.bank.money import MINOR_DIGITS, Money
from chalicelib.leftfold.kernel import StoredEvent


@given(st.integers(-(10**18) + 1, 10**18 - 1), st.sampled_from(sorted(MINOR_DIGITS)))
def test_money_survives_its_own_text(minor: int, currency: str) -> None:
    assert Money.parse(str(Money(minor, currency)), currency) == Money(minor, currency)


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("700.00", "CZK", 70000),
        ("700", "CZK", 70000),
        ("0.5", "CZK", 50),
        ("-0.05", "CZK", -5),
        ("700", "JPY", 700),
        ("1.234", "KWD", 1234),
    ],
)
def test_a_plain_decimal_is_read(text: str, currency: str, minor: int) -> None:
    assert Money.parse(text, currency) == Money(minor, currency)


@pytest.mark.parametrize(
    ("text", "currency"),
    [
        ("1.234", "CZK"),
        ("1.0", "JPY"),
        ("1e3", "CZK"),
        ("NaN", "CZK"),
        ("+1", "CZK"),
        (" 1", "CZK"),
        ("1\n", "CZK"),
        ("1,5", "CZK"),
        (".5", "CZK"),
        ("5.", "CZK"),
        ("", "CZK"),
        ("\u0661", "CZK"),
        ("1" * 19, "CZK"),
        ("1", "XXX"),
        ("1", "czk"),
    ],
)
def test_anything_else_is_refused(text: str, currency: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Money.parse(text, currency)


def test_the_sum_of_money_counts_credits_and_debits_alone() -> None:
    """`leftfold generation verify` compares it before and after a change of streams."""
    told = [("account-credited", 7), ("account-debited", 3), ("account-opened", 5)]
    summed = [money(StoredEvent(name, 1, {"amount": amount})) for name, amount in told]
    assert summed == [7, -3, 0]
    assert money(StoredEvent("account-frozen", 1, {})) == 0

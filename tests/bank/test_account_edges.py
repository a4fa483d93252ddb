"""Edges of an account's rules that a planted fault crossed without a failing test."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from chalicelib.bank.account.domain import (
    MINIMUM_UNITS,
    Account,
    CloseStatement,
    Debited,
    Opened,
    closed_statement,
    decider,
)
from chalicelib.bank.money import MINOR_DIGITS, Money
from tests.scenario import Given

given = Given(decider)
DATE = "2026-01-31"


@pytest.mark.parametrize(
    ("currency", "owed", "due"),
    [
        ("JPY", 50, "10"),
        ("JPY", 9, "9"),
        ("CZK", 5_000, "10.00"),
        ("KWD", 50_000, "10.000"),
        ("KWD", 1_000, "1.000"),
    ],
)
def test_ten_whole_units_are_due_in_a_currency_of_any_number_of_decimals(
    currency: str, owed: int, due: str
) -> None:
    """Ten yen are 10 minor units, ten dinars 10,000: with two decimals for every currency a
    holder who owes 50 yen would have to pay all of them.
    """
    card = Opened("Ada", currency, "credit-card", 10**6)
    spent = Debited(owed, currency, DATE)
    (closed, _) = given(card, spent).when(CloseStatement(DATE)).run()
    assert str(Money(closed.minimum_payment, currency)) == due


@pytest.mark.parametrize("currency", ["JPY", "CZK", "KWD"])
def test_the_floor_of_a_minimum_payment_is_ten_units_of_its_currency(currency: str) -> None:
    floor = Money.parse(str(MINIMUM_UNITS), currency).minor
    card = Account("open", "Ada", currency, "credit-card", -(2 * floor))
    assert closed_statement(card, DATE)[0].minimum_payment == floor  # type: ignore[union-attr]


accounts: st.SearchStrategy[Account] = st.builds(
    Account,
    status=st.sampled_from(["open", "frozen"]),
    owner=st.text(min_size=1),
    currency=st.sampled_from(sorted(MINOR_DIGITS)),
    kind=st.sampled_from(["current", "credit-card"]),
    balance=st.integers(-(10**15), 10**15),
    credit_limit=st.integers(0, 10**15),
    email=st.none() | st.text(min_size=1),
    number=st.integers(1, 10**6),
    through=st.none() | st.just("2025-12-31"),
    opening_balance=st.integers(-(10**15), 10**15),
    credits=st.integers(0, 10**15),
    debits=st.integers(0, 10**15),
    bookings=st.integers(0, 10**6),
)


@for_all(accounts)
def test_closing_a_statement_changes_nothing_but_what_belongs_to_the_statement(
    account: Account,
) -> None:
    """All that was known of an account before its statement is known after it, the address
    for its e-mails too: what is not brought forward is lost when the epoch is archived.
    """
    after = decider.fold(closed_statement(account, DATE), account)
    assert after == replace(
        account,
        number=account.number + 1,
        through=DATE,
        opening_balance=account.balance,
        credits=0,
        debits=0,
        bookings=0,
    )


@pytest.mark.parametrize("command", [CloseStatement(DATE)])
def test_a_statement_goes_to_the_address_that_the_account_was_opened_with(command: Any) -> None:
    opened = Opened("Ada", "CZK", "current", 0, "ada@example.org")
    first = given(opened).when(command).run()
    second = given(opened, *first).when(CloseStatement("2026-02-28")).run()
    assert [first[0].email, second[0].email] == ["ada@example.org"] * 2

"""The rules of an account, weighed one by one and as laws."""

from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from chalicelib.bank.account.domain import (
    Account,
    BalanceBroughtForward,
    Book,
    Booking,
    Close,
    Closed,
    CloseStatement,
    Command,
    Credited,
    Debited,
    Event,
    Freeze,
    Frozen,
    Open,
    Opened,
    StatementClosed,
    TransferBack,
    TransferIn,
    TransferOut,
    Unfreeze,
    Unfrozen,
    codec,
    decider,
    period,
)
from chalicelib.bank.money import LARGEST_AMOUNT, LARGEST_BALANCE, Money
from chalicelib.leftfold.kernel import Refused, from_json, to_json
from tests.scenario import Given

given = Given(decider)
opened = Opened("Ada", "CZK", "current", 0)
card = Opened("Ada", "CZK", "credit-card", 1000)
DATE = "2026-01-31"
statement = StatementClosed(1, None, DATE, "CZK", "current", 0, 0, 0, 0, 0, 0)
forward = BalanceBroughtForward(2, "Ada", "CZK", "current", 0, 0, "open", DATE)


def booking(direction: Any, amount: int, currency: str = "CZK") -> Booking:
    return Booking(direction, amount, currency, DATE, purpose="rent")


def credited(amount: int) -> Credited:
    return Credited(amount, "CZK", DATE, purpose="rent")


def debited(amount: int) -> Debited:
    return Debited(amount, "CZK", DATE, purpose="rent")


def book(*amounts: int) -> Book:
    """Credits for amounts above zero, debits for those below."""
    return Book(tuple(booking("credit" if a > 0 else "debit", abs(a)) for a in amounts))


def test_an_account_is_opened_once() -> None:
    given().when(Open("Ada", "CZK", "current")).then(opened)
    given(opened).when(Open("Bo", "EUR", "current")).then_refused("account-exists")
    given(opened, Closed()).when(Open("Bo", "EUR", "current")).then_refused("account-exists")


def test_bookings_are_taken_together() -> None:
    given(opened).when(book(50, -20, 5)).then(credited(50), debited(20), credited(5))


def test_a_booking_keeps_all_that_was_said_of_it() -> None:
    said = Booking("debit", 7, "CZK", DATE, "card", "household", "AB", "123")
    given(opened, credited(7)).when(Book((said,))).then(
        Debited(7, "CZK", DATE, "card", "household", "AB", "123")
    )


def test_a_debit_may_use_the_balance_and_the_credit_limit() -> None:
    given(card, credited(50)).when(book(-1050)).then(debited(1050))


def test_a_debit_beyond_balance_and_credit_limit_is_refused_and_takes_the_rest_with_it() -> None:
    given(card, credited(50)).when(book(10, -1061, 99)).then_refused(
        "insufficient-funds", booking=1, available=Money(1060, "CZK")
    )


def test_a_credit_is_taken_by_an_overdrawn_account() -> None:
    given(card, debited(1000)).when(book(1)).then(credited(1))


def test_money_stays_in_its_currency() -> None:
    given(opened).when(Book((booking("credit", 1, "EUR"),))).then_refused(
        "currency-mismatch", booking=0, currency="CZK"
    )


def test_a_balance_stays_within_what_every_store_can_add() -> None:
    full = credited(LARGEST_BALANCE - 1)
    given(opened, full).when(book(1)).then(credited(1))
    given(opened, full).when(book(2)).then_refused("balance-out-of-range", booking=0)


def test_a_frozen_account_takes_nothing_until_it_is_unfrozen() -> None:
    given(opened, Frozen()).when(book(1)).then_refused("account-frozen")
    given(opened, Frozen()).when(Freeze()).then_refused("account-frozen")
    given(opened, Frozen()).when(Close()).then_refused("account-frozen")
    given(opened, Frozen()).when(Unfreeze()).then(Unfrozen())
    given(opened, Frozen(), Unfrozen()).when(book(1)).then(credited(1))
    given(opened).when(Freeze()).then(Frozen())
    given(opened).when(Unfreeze()).then_refused("account-not-frozen")


def test_an_account_is_closed_empty_and_for_good() -> None:
    given(opened).when(Close()).then(
        replace(statement, through=None),
        replace(forward, through=None),
        Closed(),
    )
    given(opened, credited(1)).when(Close()).then_refused(
        "account-not-empty", balance=Money(1, "CZK")
    )
    given(card, debited(1)).when(Close()).then_refused("account-not-empty")
    for command in (book(1), Freeze(), Unfreeze(), Close()):
        given(opened, Closed()).when(command).then_refused("account-closed")


@pytest.mark.parametrize("command", [book(1), Freeze(), Unfreeze(), Close()])
def test_nothing_can_be_done_with_an_account_that_is_not_there(command: Command) -> None:
    given().when(command).then_refused("account-missing")


def test_a_statement_says_what_was_booked_since_the_last_one() -> None:
    given(opened, credited(70), debited(20)).when(CloseStatement(DATE)).then(
        replace(statement, credits=70, debits=20, bookings=2, closing_balance=50),
        replace(forward, balance=50),
    )
    given(opened, replace(forward, balance=50), debited(20)).when(
        CloseStatement("2026-02-28")
    ).then(
        replace(
            statement,
            number=2,
            since="2026-02-01",
            through="2026-02-28",
            opening_balance=50,
            debits=20,
            bookings=1,
            closing_balance=30,
        ),
        replace(forward, number=3, balance=30, through="2026-02-28"),
    )


def test_an_empty_period_is_closed_but_none_twice() -> None:
    given(opened).when(CloseStatement(DATE)).then(statement, forward)
    for day in (DATE, "2026-01-30"):
        given(opened, forward).when(CloseStatement(day)).then_refused(
            "period-closed", statement=1, until=DATE
        )


def test_a_frozen_account_gets_its_statement_and_stays_frozen() -> None:
    given(opened, Frozen()).when(CloseStatement(DATE)).then(
        statement, replace(forward, status="frozen")
    )
    given(opened, replace(forward, status="frozen")).when(book(1)).then_refused("account-frozen")


@pytest.mark.parametrize(
    ("owed", "due"),
    [(0, 0), (-70, 0), (1, 1), (99_999, 1_000 * 5), (100_001, 5_001), (900, 900), (5_000, 1_000)],
)
def test_a_card_that_owes_has_a_minimum_payment(owed: int, due: int) -> None:
    limited = replace(card, credit_limit=10**6)
    moved = [debited(owed)] if owed > 0 else [credited(-owed)] if owed else []
    (closed, *_) = given(limited, *moved).when(CloseStatement(DATE)).run()
    assert closed.minimum_payment == due


def test_a_transfer_is_booked_by_its_name() -> None:
    out = TransferOut("t", 50, "CZK", DATE, "b", "rent")
    given(opened, credited(50)).when(out).then(
        Debited(50, "CZK", DATE, "transfer-out", "rent", None, "b", "t")
    )
    given(opened, credited(49)).when(out).then_refused("insufficient-funds")
    given(opened).when(TransferIn("t", 50, "CZK", DATE, "b")).then(
        Credited(50, "CZK", DATE, "transfer-in", None, None, "b", "t")
    )
    given(opened, Frozen()).when(TransferIn("t", 50, "CZK", DATE, "b")).then_refused(
        "account-frozen"
    )
    given(opened).when(TransferIn("t", 50, "EUR", DATE, "b")).then_refused("currency-mismatch")


def test_money_that_left_returns_to_an_account_in_whatever_state_it_is() -> None:
    back = TransferBack("t", 50, "CZK", DATE, "b")
    returned = Credited(50, "CZK", DATE, "transfer-back", None, None, "b", "t")
    for after in ((), (Frozen(),), (forward, Closed())):
        given(opened, *after).when(back).then(returned)
    given().when(back).then_refused("account-missing")


@pytest.mark.parametrize(
    ("ended", "days"),
    [
        ("2026-03-15", ("2026-02-01", "2026-03-15")),
        ("2026-02-01", ("2026-02-01", "2026-02-01")),
        ("2026-01-31", ("2026-01-31", "2026-01-31")),
        ("2026-01-30", ("2026-01-31", "2026-01-31")),
    ],
)
def test_the_last_statement_never_ends_before_it_begins(ended: str, days: tuple[str, str]) -> None:
    last = replace(statement, number=2, since="2026-02-01", through=None)
    assert period(last, ended) == days


def test_a_statement_from_the_opening_on_is_through_its_own_day_or_the_accounts_last() -> None:
    assert period(statement, "2026-03-15") == (None, DATE)
    assert period(replace(statement, through=None), "2026-01-30") == (None, "2026-01-30")


@for_all(st.lists(st.dates(date(1000, 1, 1), date(9998, 1, 1)), max_size=6), st.integers(-1, 400))
def test_periods_follow_one_another_whenever_the_account_ends(days: list[date], later: int) -> None:
    closes = sorted(set(days))
    ended = str((closes[-1] if closes else date(2026, 1, 1)) + timedelta(days=later))
    history: list[Event] = [opened]
    run: list[Command] = [*(CloseStatement(str(day)) for day in closes), Close()]
    for command in run:
        history += decider.decide(command, decider.fold(history))
    periods = [period(event, ended) for event in history if isinstance(event, StatementClosed)]
    assert len(periods) == len(closes) + 1
    assert all(since is None or since <= through for since, through in periods)
    for (_, before), (since, through) in pairwise(periods):
        assert since is not None
        assert before < since or (since == through == before)


amounts = st.integers(1, LARGEST_AMOUNT)
bookings = st.builds(
    Booking,
    st.sampled_from(["credit", "debit"]),
    amounts | st.integers(1, 100),
    st.sampled_from(["CZK", "CZK", "CZK", "EUR"]),
    st.just(DATE),
)
commands: st.SearchStrategy[Command] = st.one_of(
    st.builds(Book, st.lists(bookings, min_size=1, max_size=5).map(tuple)),
    st.sampled_from([Freeze(), Unfreeze(), Close(), Open("Bo", "EUR", "current")]),
    st.builds(CloseStatement, st.dates().map(str)),
)


@for_all(st.lists(commands, max_size=30))
def test_statements_follow_one_another_without_a_gap(run: list[Command]) -> None:
    history: list[Event] = [opened]
    for command in run:
        try:
            history += decider.decide(command, decider.fold(history))
        except Refused:
            continue
    closed = [event for event in history if isinstance(event, StatementClosed)]
    assert [one.number for one in closed] == list(range(1, len(closed) + 1))
    balance = 0
    for one in closed:
        assert one.opening_balance == balance
        balance = one.opening_balance + one.credits - one.debits
        assert one.closing_balance == balance


@for_all(st.from_type(Account), st.from_type(BalanceBroughtForward))
def test_what_is_brought_forward_is_the_whole_state(
    account: Account, forward: BalanceBroughtForward
) -> None:
    assert decider.evolve(account, forward) == decider.evolve(decider.initial, forward)


@for_all(st.lists(commands, max_size=20))
def test_a_fold_may_begin_with_the_newest_statement(run: list[Command]) -> None:
    history: list[Event] = [opened]
    begins = 0
    for command in run:
        try:
            new = decider.decide(command, decider.fold(history))
        except Refused:
            continue
        begins = len(history) if any(isinstance(e, BalanceBroughtForward) for e in new) else begins
        history += new
    assert decider.fold(history[begins:]) == decider.fold(history)


@for_all(st.lists(commands), st.integers(0, 1000))
def test_no_run_of_commands_takes_an_account_below_its_limit(
    run: list[Command], limit: int
) -> None:
    account = decider.fold([replace(opened, credit_limit=limit)])
    for command in run:
        try:
            account = decider.fold(decider.decide(command, account), account)
        except Refused:
            continue
        assert account.balance >= -limit
        assert account.currency == "CZK"


@for_all(st.one_of([st.from_type(kind) for kind in codec.events.values()]))
def test_events_survive_storage(event: Event) -> None:
    assert codec.decode(codec.encode(event)) == (event,)


@for_all(st.from_type(Account))
def test_states_survive_storage(account: Account) -> None:
    assert from_json(Account, to_json(account)) == account

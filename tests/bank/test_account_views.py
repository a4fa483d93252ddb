"""The rows that an account's events make."""

from typing import Any

from chalicelib.bank.account.domain import (
    BalanceBroughtForward,
    Closed,
    Credited,
    Debited,
    Frozen,
    Opened,
    StatementClosed,
    Unfrozen,
)
from chalicelib.bank.account.views import balances, bookings, ranking, statements, totals
from chalicelib.leftfold.kernel import Recorded, Row, View

opened = Opened("Ada", "CZK", "credit-card", 500)
credited = Credited(70, "CZK", "2026-01-02", purpose="pay")
debited = Debited(20, "CZK", "2026-01-03", counterparty_bank="AB")


def rows(view: View, *events: Any, account: str = "a") -> dict[str, Row | None]:
    """The view's rows after *events*, one commit each."""
    made: dict[str, Row | None] = {}
    for position, event in enumerate(events):
        recorded = Recorded(
            f"main/account-{account}", position + 1, 0, "2026-01-01T00:00:00.000Z", position, event
        )
        for key in view.keys(recorded):
            made[key] = view.fold(made.get(key), recorded, key)
    return made


def test_a_balance_row_shows_the_account_as_it_stands() -> None:
    assert rows(balances, opened, credited, debited) == {
        "main/account-a": {
            "accountId": "a",
            "owner": "Ada",
            "kind": "credit-card",
            "currency": "CZK",
            "status": "open",
            "balance": 50,
            "creditLimit": 500,
            "statements": 0,
            "version": 3,
        }
    }


def test_a_balance_row_follows_the_status() -> None:
    for events, status in (
        ((opened, Frozen()), "frozen"),
        ((opened, Frozen(), Unfrozen()), "open"),
        ((opened, Closed()), "closed"),
    ):
        row = rows(balances, *events)["main/account-a"]
        assert row is not None
        assert (row["status"], row["version"]) == (status, len(events))


def test_the_ranking_has_the_same_rows() -> None:
    assert rows(ranking, opened, credited) == rows(balances, opened, credited)


def test_each_booking_is_a_document_of_its_own() -> None:
    made = rows(bookings, opened, credited, debited)
    assert list(made) == ["main/account-a/0000000002/000", "main/account-a/0000000003/000"]
    assert made["main/account-a/0000000003/000"] == {
        "accountId": "a",
        "version": 3,
        "index": 0,
        "bookedAt": "2026-01-01T00:00:00.000Z",
        "direction": "debit",
        "amount": 20,
        "currency": "CZK",
        "valueDate": "2026-01-03",
        "operation": None,
        "purpose": None,
        "counterpartyBank": "AB",
        "counterpartyAccount": None,
    }


def test_a_row_made_from_the_live_epoch_alone_is_the_same_row() -> None:
    closed = StatementClosed(1, None, "2026-01-31", "CZK", "credit-card", 0, 70, 20, 2, 50, 0)
    forward = BalanceBroughtForward(2, "Ada", "CZK", "credit-card", 500, 50, "open", "2026-01-31")
    whole = rows(balances, opened, credited, debited, closed, forward, debited)
    assert balances.from_carried
    assert rows(balances, closed, forward, debited)["main/account-a"] == {
        **(whole["main/account-a"] or {}),
        "version": 3,
    }


def test_each_statement_is_a_document_by_its_number() -> None:
    closed = StatementClosed(
        2, "2026-01-01", None, "CZK", "credit-card", 5, 70, 20, 2, 55, 0, "ada@example.org"
    )
    assert rows(statements, opened, closed) == {
        "main/account-a/00000002": {
            "accountId": "a",
            "number": 2,
            "from": "2026-01-01",
            "through": "2026-01-01",
            "kind": "credit-card",
            "currency": "CZK",
            "openingBalance": 5,
            "credits": 70,
            "debits": 20,
            "bookingCount": 2,
            "closingBalance": 55,
            "minimumPayment": 0,
            "closedAt": "2026-01-01T00:00:00.000Z",
            "version": 2,
        }
    }


def test_totals_add_up_all_accounts_of_a_currency() -> None:
    assert rows(totals, opened, credited, debited, Frozen(), opened) == {
        "main/CZK": {
            "currency": "CZK",
            "accounts": 2,
            "bookings": 2,
            "credits": 70,
            "debits": 20,
            "balance": 50,
            "last": {"accountId": "a", "version": 5},
        }
    }

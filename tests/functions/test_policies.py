"""The functions of policies and deadlines, called as AWS calls them."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from chalicelib.bank.account.domain import Close, CloseStatement, Open
from chalicelib.bank.transfer.deadlines import next_step
from chalicelib.bank.transfer.domain import Order, RequestTransfer, transfer
from chalicelib.domain import DOMAIN
from chalicelib.functions import handler
from chalicelib.leftfold.kernel import Email, Row
from chalicelib.leftfold.policies import deadlines as timekeeping
from chalicelib.leftfold.store.ports import ParkedStream
from chalicelib.leftfold.wiring import process
from tests.functions.test_functions import SCHEDULED, Context, metrics
from tests.http.conftest import Bank
from tests.teller import Teller as Writer
from tests.teller import credit

WAKE_UP: dict[str, Any] = {"Records": [], "wanted": {}}
ORDER = Order("a", "b", 700, "CZK", "2026-01-31", "rent", "ada@example.com")


@pytest.fixture
def bank() -> Iterator[Bank]:
    """The services over memory, two accounts and a transfer."""
    before = process._services
    made = Bank()
    writer = Writer(made.events, clock=made.clock, vault=made.vault)
    writer.do(Open("Ada", "CZK", "current"), "a")
    writer.do(Open("Bo", "CZK", "credit-card", 5000, "bo@example.com"), "b")
    writer.do(credit(1000), "a")
    writer.do(RequestTransfer(ORDER, "2026-01-01T00:10:00.000Z"), "t", aggregate=transfer)
    yield made
    process._services = before


def writer(bank: Bank) -> Writer:
    return Writer(bank.events, clock=bank.clock, vault=bank.vault)


def names(bank: Bank, stream: str) -> list[str]:
    return [e.name for c in bank.events.range(stream, 1, 99) for e in c.events]


def run(bank: Bank, policy: str) -> None:
    """A wake, as the growing log or the sweeper sends it."""
    bank.settle()
    handler(policy)(WAKE_UP, Context())


def test_every_policy_has_a_function_of_its_name() -> None:
    assert all(callable(handler(policy)) for policy in DOMAIN.policies)


def test_a_transfer_is_carried_out_step_by_step(bank: Bank) -> None:
    run(bank, "debit_source")
    assert names(bank, "main/transfer-t") == ["transfer-requested", "source-debited"]
    run(bank, "credit_target")
    assert names(bank, "main/transfer-t")[2:] == ["target-credited", "transfer-completed"]
    run(bank, "notify")
    assert [email.to for email in bank.mailer.sent] == ["ada@example.com"]


def test_money_comes_back_from_an_account_that_will_not_have_it(bank: Bank) -> None:
    writer(bank).do(Close(), "b")
    for policy in ("debit_source", "credit_target", "refund_source"):
        run(bank, policy)
    assert names(bank, "main/transfer-t")[-1] == "transfer-refused"
    assert names(bank, "main/account-a")[-2:] == ["account-debited", "account-credited"]
    run(bank, "notify")
    assert [email.subject for email in bank.mailer.sent] == ["Statement 1 of account b"]


def test_a_statement_is_told_to_who_gave_an_address(bank: Bank) -> None:
    for key in "ab":
        writer(bank).do(CloseStatement("2026-01-31"), key)
    run(bank, "notify")
    assert bank.mailer.sent == [
        Email(
            "statement",
            "bo@example.com",
            "Statement 1 of account b",
            "Through: 2026-01-31\nOpening balance: 0.00 CZK\nCredits: 0.00 CZK\n"
            "Debits: 0.00 CZK\nClosing balance: 0.00 CZK\nMinimum payment: 0.00 CZK\n",
        )
    ]


def overdue(bank: Bank, minutes: int, capsys: pytest.CaptureFixture[str]) -> int:
    """How many are told at that time that theirs is over."""
    bank.clock.forward(minutes=minutes)
    bank.settle()
    capsys.readouterr()
    handler("deadlines")(SCHEDULED, Context())
    (reported,) = metrics(capsys)
    sent: int = reported["DeadlinesPassed"]
    return sent


def test_a_transfer_that_has_not_moved_on_in_time_expires(
    bank: Bank, capsys: pytest.CaptureFixture[str]
) -> None:
    assert overdue(bank, 9, capsys) == 0
    assert overdue(bank, 2, capsys) == 1
    assert names(bank, "main/transfer-t")[-1] == "transfer-expired"
    run(bank, "debit_source")
    assert names(bank, "main/account-a")[-1] == "account-credited"
    assert overdue(bank, 99, capsys) == 0


def test_a_transfer_that_has_moved_on_is_left_alone(bank: Bank) -> None:
    bank.clock.forward(minutes=11)
    bank.settle()
    handler("debit_source")(WAKE_UP, Context())
    # The view has not heard of it, and tells of the stage before.
    handler("deadlines")(SCHEDULED, Context())
    assert names(bank, "main/transfer-t")[-1] == "source-debited"


def test_one_that_cannot_be_told_keeps_no_other_from_it(bank: Bank) -> None:
    later = "2026-01-01T00:10:01.000Z"
    writer(bank).do(RequestTransfer(ORDER, later), "u", aggregate=transfer)
    bank.clock.forward(minutes=11)
    bank.settle()
    events: Any = bank.events
    broken = events.everything()["main/transfer-t"]
    broken[3] = broken.pop(1)._replace(version=3)
    with pytest.raises(ExceptionGroup) as raised:
        handler("deadlines")(SCHEDULED, Context())
    assert len(raised.value.exceptions) == 1
    assert names(bank, "main/transfer-u")[-1] == "transfer-expired"


def test_what_a_deadline_leads_to_is_correlated_with_the_transfer(bank: Bank) -> None:
    bank.clock.forward(minutes=11)
    bank.settle()
    handler("deadlines")(SCHEDULED, Context())
    asked, expired = bank.events.range("main/transfer-t", 1, 99)
    assert expired.events[0].name == "transfer-expired"
    assert expired.correlation_id == asked.correlation_id
    assert expired.traceparent == asked.traceparent
    assert (expired.actor, expired.authority) == ("deadline:next_step", "deadline:next_step")


class Short(Context):
    """Lambda's context, with time left for one thing."""

    asked = 0

    def get_remaining_time_in_millis(self) -> int:
        self.asked += 1
        return 60_000 if self.asked == 1 else 0


def test_when_time_is_over_no_row_is_read_more_and_nobody_is_told(bank: Bank) -> None:
    for key in ("u", "v"):
        writer(bank).do(RequestTransfer(ORDER, "2026-01-01T00:10:00.000Z"), key, aggregate=transfer)
    bank.clock.forward(minutes=11)
    bank.settle()
    timekeeper = process.services().timekeeper
    rows = list(timekeeper.find("transfers", bank.clock()))
    asked: list[tuple[str, datetime]] = []
    read: list[str] = []

    def find(view: str, before: datetime) -> Iterator[Row]:
        asked.append((view, before))
        bank.clock.forward(minutes=1)
        for row in rows:
            read.append(row["transferId"])
            yield row

    began = bank.clock()
    shortened = replace(timekeeper, deadlines=[next_step, next_step], find=find)
    left = iter([True, False, False])
    assert shortened.run(lambda: next(left)) == 1
    first, second, third = (row["transferId"] for row in rows)
    assert read == [first, second, first]
    # Each search is of its own time.
    assert asked == [("transfers", began), ("transfers", began + timedelta(minutes=1))]
    assert names(bank, f"main/transfer-{first}")[-1] == "transfer-expired"
    for key in (second, third):
        assert names(bank, f"main/transfer-{key}") == ["transfer-requested"]


def test_rows_that_stay_overdue_keep_nobody_from_being_told(
    bank: Bank, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timekeeping, "OVERDUE_AT_ONCE", 2)
    for key in ("u", "v", "w"):
        writer(bank).do(RequestTransfer(ORDER, "2026-01-01T00:10:00.000Z"), key, aggregate=transfer)
    bank.settle()
    for key in ("t", "u", "v", "w"):
        bank.parking.park(
            "transfers", f"main/transfer-{key}", ParkedStream(10**6, 10**6, "because")
        )
    assert overdue(bank, 11, capsys) == 4
    # They have expired, and the view does not hear of it.
    writer(bank).do(RequestTransfer(ORDER, "2026-01-01T00:12:00.000Z"), "x", aggregate=transfer)
    bank.clock.forward(minutes=2)
    bank.settle()
    handler("deadlines")(SCHEDULED, Short())
    assert names(bank, "main/transfer-x") == ["transfer-requested", "transfer-expired"]


def test_deadlines_have_search_views_with_a_date() -> None:
    for deadline in DOMAIN.deadlines.values():
        assert deadline.view.store == "search"
        assert deadline.view.fields["deadline"] == "date"

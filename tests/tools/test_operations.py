from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, NoReturn

import pytest

from chalicelib.domain import DOMAIN
from chalicelib.leftfold.kernel import Domain, Recorded, Row, View
from chalicelib.leftfold.projection.replay import replay
from chalicelib.leftfold.projection.rows import Save, StoredRow
from chalicelib.leftfold.relay.sequencer import Sequencer
from chalicelib.leftfold.store.bus import LaneRecord
from chalicelib.leftfold.store.ports import ParkedStream, Unavailable
from chalicelib.leftfold.wiring import process
from chalicelib.leftfold.wiring.services import Services
from chalicelib.leftfold.wiring.settings import Settings
from tests.application import still
from tests.http.conftest import Bank
from tests.http.samples import czk
from tools.auditing import audited
from tools.operations import is_live, redrive, show_round, show_status, sweep_now
from tools.polling import PATIENCE, PAUSE

A = "main/account-a"
LATE = timedelta(seconds=300)


@pytest.fixture(params=["balances", "totals"], ids=["partitioned", "ordered"])
def view(request: pytest.FixtureRequest) -> View:
    return DOMAIN.views[request.param]


def services_of(bank: Bank, domain: Domain = DOMAIN, **parts: Any) -> Services:
    return Services(
        Settings({}),
        domain,
        events=bank.events,
        log=bank.log,
        replayed_log=bank.log,
        opened_log=bank.log,
        checkpoints=bank.checkpoints,
        parking=bank.parking,
        rows=bank.rows.__getitem__,
        clock=bank.clock,
        pause=still,
        vault=bank.vault,
        **{"waker": Bell(), **parts},
    )


def log_only(bank: Bank) -> None:
    """Logs what was committed; no view sees it."""
    versions, _ = bank.events.scan(0, 1, None, 10**6)
    list(Sequencer(bank.events, bank.log, still, lambda _: None).sequence(dict(versions)))


def never(_seconds: float) -> NoReturn:
    pytest.fail("it waited")


def live(bank: Bank, view: View) -> bool:
    """Compares without waiting."""
    made = replay(view, bank.log, lambda _: None, opener=bank.vault)
    return is_live(made, view, services_of(bank), never)


def test_a_view_that_is_up_to_date_is_compared_at_once(bank: Bank, view: View) -> None:
    bank.open("a")
    bank.settle()

    assert live(bank, view)


def test_a_view_that_is_behind_is_waited_for(bank: Bank, view: View) -> None:
    bank.open("a")
    log_only(bank)
    waited: list[float] = []

    def pause(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 3:
            bank.settle()

    made = replay(view, bank.log, lambda _: None, opener=bank.vault)

    assert is_live(made, view, services_of(bank), pause)
    assert len(waited) == 3


def test_a_view_that_is_behind_is_woken_for_what_it_does_not_hear(bank: Bank, view: View) -> None:
    """As a replay of personal data is: it writes to the audit, of which no view hears."""
    bank.open("a")
    bank.settle()
    audited(services_of(bank), "compare", view.name)
    log_only(bank)
    bell = Bell()
    made = replay(view, bank.log, lambda _: None, opener=bank.vault)

    def pause(_seconds: float) -> None:
        assert bell.woken == [view.name]
        bank.settle()

    assert is_live(made, view, services_of(bank, waker=bell), pause)
    assert bell.woken == [view.name]


def test_a_view_that_stays_behind_is_told_and_not_called_wrong(
    bank: Bank, view: View, capsys: pytest.CaptureFixture[str]
) -> None:
    bank.open("a")
    bank.settle()
    bank.open("b")
    log_only(bank)
    waited: list[float] = []
    made = replay(view, bank.log, lambda _: None, opener=bank.vault)

    assert not is_live(made, view, services_of(bank), waited.append)

    assert (len(waited), sum(waited)) == (PATIENCE // PAUSE, 30)
    assert capsys.readouterr().out == "the view is behind: its rows cannot be compared\n"


def test_commits_after_the_replay_make_no_row_wrong(bank: Bank, view: View) -> None:
    bank.open("a")
    bank.settle()
    made = replay(view, bank.log, lambda _: None, opener=bank.vault)
    bank.open("b")
    log_only(bank)

    assert is_live(made, view, services_of(bank), lambda _: bank.settle())


def test_a_row_that_was_changed_by_hand_is_told(
    bank: Bank, view: View, capsys: pytest.CaptureFixture[str]
) -> None:
    bank.open("a")
    bank.settle()
    ((key, stored),) = bank.rows[view.name].scan()
    bank.rows[view.name].save([Save(key, {"x": 1}, stored.position, stored)])

    assert not live(bank, view)
    assert capsys.readouterr().out.endswith("1 rows differ\n")


def test_the_status_is_good_while_no_commit_waits_for_too_long(bank: Bank) -> None:
    services = services_of(bank)
    assert show_status(services, LATE)

    bank.open("a")
    log_only(bank)
    bank.clock.forward(seconds=300)
    assert show_status(services, LATE)

    bank.clock.forward(seconds=1)
    assert not show_status(services, LATE)
    assert show_status(services, LATE * 2)

    bank.act()
    assert show_status(services, LATE)


def test_the_status_is_not_good_while_a_stream_is_parked(bank: Bank) -> None:
    bank.open("a")
    bank.settle()
    bank.parking.park("balances", A, ParkedStream(0, 0, "it failed"))

    assert not show_status(services_of(bank), LATE)


class Bell:
    """A waker that keeps who was woken."""

    def __init__(self) -> None:
        self.woken: list[str] = []

    def wake(self, function: str, _wanted: Mapping[str, int] = {}) -> None:
        self.woken.append(function)


class Shelf:
    """A bus that keeps what was published."""

    def __init__(self) -> None:
        self.positions: list[int] = []

    def publish(self, records: Sequence[LaneRecord]) -> None:
        self.positions += [position for r in records for position, _ in r.commits or ()]


def test_after_an_outage_an_operator_need_not_wait_for_the_round(
    bank: Bank, capsys: pytest.CaptureFixture[str]
) -> None:
    """No message told the relay of these accounts, and the round may come to them in hours."""
    for key in "abc":
        bank.open(key)
    bell, shelf = Bell(), Shelf()
    services = services_of(bank, waker=bell, bus=shelf)
    sweep_now(services)
    assert bank.log.head().next_position == 3
    assert shelf.positions == [0, 1, 2]
    assert set(bell.woken) == {reader.name for reader in services.readers}
    assert "3 commits seen, 3 of them logged only now" in capsys.readouterr().out
    bank.settle()
    bank.act()
    bell.woken.clear()
    sweep_now(services)
    assert bell.woken == []
    assert "no reader is behind" in capsys.readouterr().out


def test_where_the_sweepers_round_stands_is_shown(
    bank: Bank, capsys: pytest.CaptureFixture[str]
) -> None:
    services = services_of(bank, waker=Bell(), bus=Shelf())
    show_round(services)
    assert "has not run yet" in capsys.readouterr().out
    services.sweeper.run()
    services.sweeper.run(lambda: False)
    bank.clock.forward(seconds=90)
    show_round(services)
    shown = capsys.readouterr().out
    assert "goes on for 0:01:30: 1 of 8 parts, 1 pages; 8 pages a run" in shown
    assert "the round before saw 8 pages" in shown


def parked(bank: Bank) -> None:
    """Account a is parked in two views, and has no row in them yet."""
    bank.open("a")
    log_only(bank)
    for view in ("balances", "ranking"):
        bank.parking.park(view, A, ParkedStream(0, 0, "it failed"))


def test_parked_streams_go_on(bank: Bank) -> None:
    parked(bank)

    assert redrive(services_of(bank), None, None)

    assert list(bank.parking.all()) == []
    for view in ("balances", "ranking"):
        assert [row.position for _, row in bank.rows[view].scan()] == [0]


@pytest.mark.parametrize(
    ("chosen", "left"),
    [(("balances", None), ["ranking"]), (("balances", "main/account-b"), ["balances", "ranking"])],
)
def test_only_the_chosen_ones_are_redriven(
    bank: Bank, chosen: tuple[str, str | None], left: list[str]
) -> None:
    parked(bank)

    assert redrive(services_of(bank), *chosen)

    assert [view for view, _, _ in bank.parking.all()] == left


def fails(_row: Row | None, _recorded: Recorded, _key: str) -> Row | None:
    raise ValueError("still not mended")


def test_a_stream_that_fails_again_stays_parked(
    bank: Bank, capsys: pytest.CaptureFixture[str]
) -> None:
    parked(bank)
    broken = replace(DOMAIN.views["balances"], fold=fails)
    services = services_of(bank, views={"ranking": DOMAIN.views["ranking"], "balances": broken})

    assert not redrive(services, None, None)

    assert [view for view, _, _ in bank.parking.all()] == ["balances"]
    assert capsys.readouterr().out.endswith("1 streams failed again\n")


class Down:
    """Rows that are not there now."""

    def load(self, _keys: Collection[str]) -> dict[str, StoredRow]:
        raise Unavailable("throttled")


def test_one_that_cannot_be_redriven_now_keeps_no_other_parked(bank: Bank) -> None:
    parked(bank)
    services = services_of(bank)
    rows: dict[str, Any] = {**bank.rows, "balances": Down()}
    services.__dict__["rows"] = rows.__getitem__

    assert not redrive(services, None, None)

    assert [view for view, _, _ in bank.parking.all()] == ["balances"]


def test_a_process_that_is_parked_in_a_policy_goes_on(bank: Bank) -> None:
    bank.open("a")
    wanted = {"source": "a", "target": "b", "amount": czk("1.00"), "valueDate": "2026-01-31"}
    assert bank.post("/transfers", {**wanted, "transferId": "t"}).status == 202
    log_only(bank)
    bank.parking.park("debit_source", "main/transfer-t", ParkedStream(1, 1, "it failed"))
    bank.act()
    assert bank.get("/transfers/t").json["state"] == "requested"

    assert redrive(process.services(), "debit_source", None)

    assert list(bank.parking.all()) == []
    bank.settle()
    assert bank.get("/transfers/t").json["state"] == "refused"

"""leftfold archive, over memory: what it moves, what it shows."""

from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

import pytest
from click.testing import CliRunner

from chalicelib.domain import DOMAIN
from chalicelib.leftfold.archive.archiver import GRACE, Volume
from chalicelib.leftfold.archive.epochs import ArchiveConflictError, DamagedArchiveError
from chalicelib.leftfold.projection.replay import replay, replay_live
from chalicelib.leftfold.relay.publisher import MARK
from chalicelib.leftfold.store.memory import MemoryLog
from chalicelib.leftfold.store.ports import ContendedError
from chalicelib.leftfold.wiring.services import Services
from chalicelib.leftfold.wiring.settings import Settings
from tests.application import still
from tests.archive.site import A, Stage
from tools.__main__ import leftfold
from tools.archiving import NOBODY_WRITES, archive_epochs, prune, report
from tools.console import console
from tools.operations import same_as_whole
from tools.verify import verify

EVER = datetime(2100, 1, 1, tzinfo=UTC)


@pytest.fixture
def site() -> Stage:
    made = Stage()
    made.months(3)
    made.settle()
    made.read_by_all()
    made.checkpoints.move(MARK, 0, -1, made.log.head().next_position - 1)
    made.clock.forward(days=2)
    return made


def services_of(site: Stage, **parts: Any) -> Services:
    return Services(
        Settings({}),
        DOMAIN,
        event_table=site.table,
        log_table=site.log,
        archive=site.archive,
        checkpoints=site.checkpoints,
        vault=site.vault,
        clock=site.clock,
        pause=still,
        **parts,
    )


def test_a_dry_run_tells_and_moves_nothing(site: Stage) -> None:
    services = services_of(site)
    planned, failed = archive_epochs(services, EVER, GRACE, dry=True)
    assert (planned.items, planned.objects, planned.stored, failed) == (12, 3, 0, {})
    assert prune(services, EVER, dry=True).items == 1
    assert len(site.versions()) == 14
    assert len(list(site.log.blocks(0))) == 1


def test_a_run_moves_what_the_dry_run_told(site: Stage) -> None:
    services = services_of(site)
    planned, _ = archive_epochs(services, EVER, GRACE, dry=True)
    moved, _ = archive_epochs(services, EVER, GRACE, dry=False)
    assert moved[:3] == planned[:3]
    assert moved.stored > 0
    assert prune(services, EVER, dry=False).items == 1
    assert list(verify(services.events, services.log, lambda _: None, lambda _: None)) == []


def test_idle_does_not_wait_a_day(site: Stage) -> None:
    site.clock.now -= timedelta(days=40)
    assert archive_epochs(services_of(site), EVER, GRACE, dry=True)[0].items < 12
    site.clock.forward(days=39)
    moved, _ = archive_epochs(services_of(site), EVER, NOBODY_WRITES, dry=False)
    assert moved.items == 12


def test_a_stream_that_fails_is_told_and_the_others_go_on(site: Stage) -> None:
    site.months(1, key="z")
    site.settle()
    site.clock.forward(days=2)
    site.archive.put("epochs/tenant=main/category=account/a/000001-1-4.jsonl.gz", b"x")
    moved, failed = archive_epochs(services_of(site), EVER, GRACE, dry=False)
    assert list(failed) == [A]
    assert moved.objects == 1


class BusyLog(MemoryLog):
    """A log whose relay is at the registry entry of account A."""

    def mark_archived(self, aggregate_id: str, before: int, through: int) -> bool:
        if aggregate_id == A:
            raise ContendedError("TransactionConflictException")
        return super().mark_archived(aggregate_id, before, through)


def test_a_stream_that_is_busy_is_told_and_the_others_go_on(site: Stage) -> None:
    site.months(1, key="z")
    site.settle()
    site.clock.forward(days=2)
    busy = BusyLog()
    busy.__dict__.update(site.log.__dict__)
    site.log = busy
    moved, failed = archive_epochs(services_of(site), EVER, GRACE, dry=False)
    assert failed == {A: "busy; run it again (TransactionConflictException)"}
    assert moved.objects == 1


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (DamagedArchiveError("segments/0 has changed"), "Error: segments/0 has changed\n"),
        (ArchiveConflictError("it is being archived"), "Error: it is being archived\n"),
    ],
)
def test_what_the_archive_holds_wrongly_is_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch, error: Exception, says: str
) -> None:
    def fails(*_: object) -> NoReturn:
        raise error

    monkeypatch.setattr("tools.archiving.chosen", fails)
    result = CliRunner().invoke(leftfold, ["archive", "--before", "2026-01-01"])
    assert (result.exit_code, result.output) == (1, says)


def test_the_report_has_prices_before_and_after(capsys: pytest.CaptureFixture[str]) -> None:
    console.print(report({"closed epochs": Volume(3, 1_000, 10**9, 10**8)}, dry=False))
    shown = " ".join(capsys.readouterr().out.split())
    assert "0.250000" in shown
    assert "0.002300" in shown
    assert "list prices" in shown


def test_live_epochs_are_compared_with_the_whole_log(
    site: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    services = services_of(site, replayed_log=site.whole, opened_log=site.whole)
    made = replay_live(DOMAIN.views["balances"], site.whole, lambda _: None, opener=site.vault)
    assert made == replay(DOMAIN.views["balances"], site.whole, lambda _: None, opener=site.vault)
    assert same_as_whole(DOMAIN.views["balances"], services, made, 0.5)
    assert not same_as_whole(DOMAIN.views["balances"], services, made._replace(rows={}), 0.5)
    assert "times as fast" in capsys.readouterr().out

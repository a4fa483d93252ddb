"""`leftfold scan-events` counts what is stored, and says what the code makes of it."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner

from chalicelib.domain import DOMAIN
from chalicelib.leftfold.kernel import Context, Domain, StoredEvent
from chalicelib.leftfold.store.memory import MemoryLog
from chalicelib.leftfold.store.ports import Unavailable
from chalicelib.leftfold.wiring import process
from chalicelib.leftfold.wiring.services import Services
from chalicelib.leftfold.wiring.settings import Settings
from tests.commits import commit
from tests.http.conftest import Bank
from tests.http.samples import booking
from tools import scanning
from tools.compatibility import breaks, report
from tools.ranges import by_ranges
from tools.scanning import Found, fixtures_of, scan, scan_command, show
from tools.schemas import EventVersion


@pytest.fixture
def busy(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> Bank:
    """Two accounts with bookings, read as a deployment is."""
    for key in "ab":
        bank.open(key)
        bank.post(f"/accounts/{key}/credits", booking())
    bank.post("/accounts/a/statements", {"through": "1993-02-01"})
    bank.settle()
    services = process.services()
    monkeypatch.setattr(Services, "replayed_log", bank.log)
    monkeypatch.setattr(scanning, "chosen", lambda *_: services)
    return bank


def found_in(bank: Bank) -> Found:
    return scan(bank.log, 0, bank.log.head().next_position)


def test_every_version_is_counted_whatever_the_ranges(busy: Bank) -> None:
    whole = found_in(busy)
    assert whole.counts == {
        EventVersion("account", "account-opened", 1): 2,
        EventVersion("account", "account-credited", 1): 2,
        EventVersion("account", "statement-closed", 1): 1,
        EventVersion("account", "balance-brought-forward", 1): 1,
    }
    parts = list(by_ranges(5, 1, partial(scan, busy.log), at_once=2))
    assert [positions for positions, _ in parts] == [2, 2, 1]
    together = Found(type(whole.counts)(), {})
    for _, part in parts:
        together.add(part)
    assert together == whole


def test_the_command_shows_them(busy: Bank) -> None:
    answer = CliRunner().invoke(scan_command, [])
    assert answer.exit_code == 0
    assert "account-credited" in answer.output
    assert "as it is" in answer.output
    assert busy.written() == 5


def test_a_version_that_the_code_does_not_know_is_told(busy: Bank) -> None:
    newer = StoredEvent("account-credited", 9, {})
    assert busy.events.append(commit("main/account-b", 3)._replace(events=(newer,))) is None
    busy.settle()
    answer = CliRunner().invoke(scan_command, [])
    assert answer.exit_code == 1
    assert "not known to the code" in answer.output


@pytest.mark.parametrize(
    "stored",
    [
        ("audit", StoredEvent("operator-acted", 1, {"action": "replay", "what": ["balances"]})),
        ("repair", StoredEvent("repair-withdrawn", 1, {"of": "a", "by": "b"})),
    ],
)
def test_the_engines_own_events_are_known_and_their_later_versions_are_not(
    busy: Bank, stored: tuple[str, StoredEvent]
) -> None:
    category, event = stored
    for version, code in ((1, 0), (2, 1)):
        own = commit(f"main/{category}-x", version)
        assert busy.events.append(own._replace(events=(event._replace(version=version),))) is None
        busy.settle()
        assert CliRunner().invoke(scan_command, []).exit_code == code


def test_an_upcast_that_nobody_needs_is_named(
    busy: Bank, capsys: pytest.CaptureFixture[str]
) -> None:
    account = DOMAIN.aggregates["account"]
    codec = replace(account.codec, upcasts={("account-frozen", 1): dict, ("gone", 1): dict})
    domain = Domain((Context(aggregates=(replace(account, codec=codec),)),))
    assert show(found_in(busy), Services(Settings({}), domain)) == 0
    shown = capsys.readouterr().out
    assert "('account-frozen', 1)" in shown
    assert "('gone', 1)" in shown


def test_what_was_found_becomes_fixtures_that_the_code_reads(busy: Bank, tmp_path: Path) -> None:
    written = list(fixtures_of(found_in(busy), process.services(), tmp_path))
    assert len(written) == 4
    assert breaks(report(DOMAIN, tmp_path)) == []
    credited = json.loads((tmp_path / "tests/events/account/account-credited.v1.json").read_text())
    assert [part["name"] for part in credited["earlier"]] == ["account-opened"]
    assert list(fixtures_of(found_in(busy), process.services(), tmp_path)) == []


def test_a_log_with_a_hole_is_not_counted() -> None:
    with pytest.raises(Unavailable):
        scan(MemoryLog(), 0, 1)

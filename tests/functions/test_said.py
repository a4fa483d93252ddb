"""What an invocation writes in its log, wholly, and when it leaves off: an operator has nothing else."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.domain import DOMAIN
from chalicelib.functions import handler
from chalicelib.leftfold.archive import pruner
from chalicelib.leftfold.kernel import StoredEvent
from chalicelib.leftfold.relay import sweeper as sweeping
from chalicelib.leftfold.relay.publisher import Published
from chalicelib.leftfold.store.memory import MemoryArchive
from chalicelib.leftfold.store.ports import ParkedStream
from chalicelib.leftfold.store.readers import ends_of
from tests.commits import commit
from tests.functions import test_functions as functions
from tests.functions.test_functions import (
    SCHEDULED,
    Context,
    Functions,
    bus_event,
    closed_long_ago,
    grown,
    stream_event,
)

site = functions.site

A, B = "main/account-a", "main/account-b"
# What each line has besides, which other tests look at.
OF_EVERY_LINE = {
    *("level", "timestamp", "service", "stack"),
    *("function_name", "function_request_id", "cold_start"),
}


class Left(Context):
    """So many milliseconds are left at each look, the last ones from then on."""

    def __init__(self, *left: int) -> None:
        self._left = list(left)

    def get_remaining_time_in_millis(self) -> int:
        return self._left.pop(0) if len(self._left) > 1 else self._left[0]


def said(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """The lines since the last time, of a metric with its unit."""
    found = []
    for text in capsys.readouterr().out.splitlines():
        told = {
            name: value for name, value in json.loads(text).items() if name not in OF_EVERY_LINE
        }
        directive = told.pop("_aws", None)
        if directive is not None:
            ((metric,),) = (each["Metrics"] for each in directive["CloudWatchMetrics"])
            told["unit"] = metric["Unit"]
            assert told["message"] == metric["Name"]
        found.append(told)
    return found


def counted(metric: str, value: float, unit: str = "Count", **facts: Any) -> dict[str, Any]:
    return {"message": metric, metric: value, "unit": unit, **facts}


def logged(site: Functions, versions: Sequence[int], capsys: pytest.CaptureFixture[str]) -> None:
    """Commits of account A, each in a block of its own."""
    for version in versions:
        site.write(commit(version=version))
        handler("relay")(stream_event(commit(version=version)), Context())
    capsys.readouterr()


def test_the_relay_says_how_many_commits_it_has_logged(
    site: Functions, capsys: pytest.CaptureFixture[str]
) -> None:
    site.write(commit(), commit(version=2))
    handler("relay")(stream_event(commit(), commit(version=2)), Context())
    assert said(capsys) == [counted("CommitsLogged", 2)]


def test_the_sweeper_says_what_it_has_seen_logged_and_woken_and_how_old_its_round_is(
    site: Functions, capsys: pytest.CaptureFixture[str]
) -> None:
    two_days_ago = "2025-12-30T00:00:00.000Z"
    site.write(commit(at=two_days_ago), commit(B, at=two_days_ago))
    began = site.services.clock().timestamp() - 90
    site.checkpoints.write_note(sweeping.READER, json.dumps({"began": began}))
    handler("sweeper")(SCHEDULED, Context())
    swept, took, *measured = said(capsys)
    assert swept == counted("SweptCommits", 2, seen=2, woken=site.door.woken)
    assert "balances" in site.door.woken
    assert took == counted("SweepRoundSeconds", 90, "Seconds")
    ages = {line["OldestWaits"] for line in measured if "OldestWaits" in line}
    assert max(ages) == 2 * 24 * 60 * 60 + 60
    units = {line["message"]: line["unit"] for line in measured}
    assert units == {"PositionsBehind": "Count", "OldestWaits": "Seconds", "StreamsParked": "Count"}


def test_the_growing_log_says_whom_it_wakes_and_for_which_log(
    site: Functions, capsys: pytest.CaptureFixture[str]
) -> None:
    handler("log_grew")(grown(("ledger",)), Context())
    assert said(capsys) == [{"message": "woke", "readers": site.door.woken, "log": "main"}]
    assert site.door.woken


def test_a_view_says_how_many_records_it_took_and_why_it_passed_over_others(
    site: Functions, capsys: pytest.CaptureFixture[str]
) -> None:
    logged(site, [1], capsys)
    (record,) = site.bus.records
    handler("balances")(bus_event(record.to_bytes(), b"\x1f\x8bno gzip"), Context())
    broken, took = said(capsys)
    assert broken["BrokenRecords"] == 1
    assert broken["reason"].startswith("EOFError: Compressed file ended")
    assert took == {"message": "took records", "reader": "balances", "records": 2}


@pytest.mark.parametrize(
    ("left", "slices", "version"), [((900_000,), 2, 20), ((20_000,), 2, 20), ((19_999,), 1, 8)]
)
def test_a_reader_says_how_many_slices_of_the_log_it_took_and_ends_while_there_is_time(
    site: Functions,
    capsys: pytest.CaptureFixture[str],
    left: tuple[int, ...],
    slices: int,
    version: int,
) -> None:
    """A slice is of eight blocks. What is left when time is short, a wake brings."""
    logged(site, range(1, 21), capsys)
    handler("balances")({"Records": []}, Left(*left))
    assert said(capsys) == [{"message": "followed the log", "reader": "balances", "slices": slices}]
    row = site.rows["balances"].load([A])[A].row
    assert row is not None
    assert row["version"] == version


def test_parked_streams_are_redriven_while_there_is_time(site: Functions) -> None:
    site.write(commit(), commit(B))
    handler("relay")(stream_event(commit(), commit(B)), Context())
    for stream in (A, B):
        site.parking.park("balances", stream, ParkedStream(0, 1, "why"))
    wake = {"Records": [], "wanted": {A: 0, B: 1}}
    handler("balances")(wake, Left(20_000, 19_999))
    assert [stream for _, stream, _ in site.parking.all("balances")] == [B]
    handler("balances")(wake, Left(20_000))
    assert list(site.parking.all("balances")) == []


def test_a_stream_that_stays_parked_is_named_with_its_reader_and_the_reason(
    site: Functions, capsys: pytest.CaptureFixture[str]
) -> None:
    body = {"amount": "no number", "currency": "CZK", "value_date": "2026-01-01"}
    broken = commit()._replace(events=(StoredEvent("account-credited", 1, body),))
    site.write(broken)
    handler("relay")(stream_event(broken), Context())
    handler("totals")({}, Context())
    ((_, waiting, _),) = site.parking.all("totals")
    capsys.readouterr()
    handler("totals")({"Records": [], "wanted": {waiting: 0}}, Context())
    failed, _ = said(capsys)
    added = "TypeError: unsupported operand type(s) for +=: 'int' and 'str'"
    assert (failed["RedrivesFailed"], failed["view"]) == (1, "totals")
    assert failed["reason"] == f"{waiting}: {A} at position 0: {added}"


def test_the_archive_says_how_much_it_has_moved(
    site: Functions, capsys: pytest.CaptureFixture[str]
) -> None:
    closed_long_ago(site, "a")
    handler("archive")(SCHEDULED, Context())
    commits, blocks = (line for line in said(capsys) if "bytes" in line)
    assert (commits["CommitsArchived"], blocks["BlocksArchived"]) == (1, 1)
    assert min(commits["bytes"], blocks["bytes"]) > 100


def test_the_archive_leaves_off_while_there_is_time_for_the_log_and_the_log_for_a_step(
    site: Functions,
) -> None:
    streams = closed_long_ago(site, "a", "b")
    handler("archive")(SCHEDULED, Left(299_999))
    assert functions.are_archived(site, streams) == [False, False]
    # One look before each stream, and one after each step.
    handler("archive")(SCHEDULED, Left(300_000, 299_999))
    assert functions.are_archived(site, streams) == [True, False]
    handler("archive")(SCHEDULED, Left(300_000))
    assert functions.are_archived(site, streams) == [True, True]


@pytest.mark.usefixtures("site")
def test_a_purge_says_how_many_rows_of_which_view_it_has_removed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    handler("purge")(SCHEDULED, Context())
    assert said(capsys) == [
        counted("DeletedRowsPurged", 3, view=name)
        for name, view in DOMAIN.views.items()
        if view.store == "search"
    ]


def closed_at(site: Functions, *moments: str) -> None:
    """An account that has closed an epoch of one commit at each of these times."""
    for version, at in enumerate(moments, 1):
        each = commit(A, version, epoch=version, epoch_start=version)
        site.write(each._replace(at=at))
        # A block of its own.
        site.services.relay.run({A: version})
    for reader in [*site.services.readers, Published()]:
        for key, end in ends_of(reader, site.log.head()).items():
            site.checkpoints.move(reader.name, key, -1, end)
    archive = MemoryArchive()
    parts: Any = {"event_table": site.events, "log_table": site.log, "archive": archive}
    site.services.__dict__.update(parts)


def archived_through(site: Functions) -> int:
    archived = site.events.range(A, 1, 1)[0].archive
    return archived.through if archived else 0


@pytest.mark.parametrize(
    ("closed", "through"),
    [("2025-11-27T00:00:59.999Z", 1), ("2025-11-27T00:01:00.000Z", 0)],
)
def test_what_was_closed_in_the_last_five_weeks_stays_in_the_tables(
    site: Functions, closed: str, through: int
) -> None:
    """An epoch of a month is then always there when its follower is closed."""
    closed_at(site, "2025-01-01T00:00:00.000Z", closed)
    handler("archive")(SCHEDULED, Context())
    assert archived_through(site) == through


def test_an_archive_leaves_off_between_two_steps_of_a_stream(site: Functions) -> None:
    services: Any = site.services
    whole = services.archiver
    services.archiver = lambda grace: replace(whole(grace), step_bytes=1)
    closed_at(site, *(f"2025-0{month}-01T00:00:00.000Z" for month in range(1, 5)))
    handler("archive")(SCHEDULED, Left(300_000, 299_999))
    assert archived_through(site) == 1
    handler("archive")(SCHEDULED, Left(300_000))
    assert archived_through(site) == 3


def test_the_log_is_pruned_segment_by_segment_while_there_is_time(
    site: Functions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pruner, "BLOCKS_IN_SEGMENT", 1)
    closed_at(site, *(f"2025-0{month}-01T00:00:00.000Z" for month in range(1, 5)))
    before = site.services.clock() - timedelta(days=35)
    planned = list(site.services.pruner.plan(before))
    assert [volume.items for volume in planned] == [1, 1, 1, 1]
    handler("archive")(SCHEDULED, Left(59_999))
    assert [block.first_position for block in site.log.blocks(0)] == [1, 2, 3]
    handler("archive")(SCHEDULED, Left(60_000))
    assert list(site.log.blocks(0)) == []

"""Closed epochs leave the table, killed at any call; nothing is lost, nothing is twice."""

from contextlib import suppress
from copy import deepcopy
from datetime import timedelta
from itertools import count
from typing import Any

import pytest

from chalicelib.bank.account.domain import Book, Booking, CloseStatement, account
from chalicelib.leftfold.archive.archiver import DELETED_AT_ONCE, Archiver, Restore
from chalicelib.leftfold.archive.epochs import ArchiveConflictError, DamagedArchiveError
from chalicelib.leftfold.archive.events import ArchivedEvents
from chalicelib.leftfold.commands.handler import KeyReusedError
from chalicelib.leftfold.commands.loading import BrokenStreamError, load, looked_back
from chalicelib.leftfold.kernel import Refused
from chalicelib.leftfold.kernel.uuid7 import uuid7
from chalicelib.leftfold.store.events import ITEM_LIMIT
from chalicelib.leftfold.store.memory import MemoryArchive, MemoryEvents, MemoryLog
from chalicelib.leftfold.store.ports import StreamEntry
from tests.archive.site import EVERY, A, B, KilledError, Mortal, Stage, credit, ended
from tests.clock import Clock
from tests.commits import commit
from tests.teller import OPENING

NOBODY = timedelta(0)
# Two or three commits are a part, and the tombstone moves on with each.
IN_PARTS: dict[str, Any] = {"part_bytes": 1_000, "step_bytes": 1}


def closed(months: int = 3) -> Stage:
    site = Stage()
    site.months(months)
    ended(site)
    site.settle()
    site.clock.forward(days=2)
    return site


def loads(site: Stage, stream: str = A) -> object:
    """The state, the version and the epoch that a command would decide on."""
    present = load(site.events, account, stream, fingerprint="fold-1", vault=site.vault)
    return present.state, present.version, present.epoch, present.epoch_start


def test_only_the_live_epoch_and_the_tombstone_stay() -> None:
    site = closed()
    before = site.history()
    moved = site.archive_all()
    assert site.versions() == [1, 13, 14]
    assert (moved.objects, moved.items) == (4, 13)
    assert site.log.streams([A])[A].archived_through == 12
    assert site.first().events == ()
    assert site.history() == before
    assert site.paged() == before[::-1]


def test_all_that_the_archive_holds_is_told() -> None:
    site = closed()
    moved = site.archive_all()
    assert moved.stored == sum(map(len, site.archive._objects.values()))


def test_an_aggregate_that_has_ended_keeps_its_last_epoch() -> None:
    site = closed()
    site.archive_all()
    assert site.versions(B) == [1, 2]
    with pytest.raises(Refused, match="account-closed"):
        site.do(credit(1), "b")


def test_a_dry_run_tells_what_a_run_would_move_and_moves_nothing() -> None:
    site = closed()
    archiver = site.archiver()
    planned = [
        plan for found in archiver.candidates() for plan in archiver.plan(*found, site.clock())
    ]
    assert sum(plan.items for plan in planned) == 13
    assert site.versions() == list(range(1, 15))
    moved = site.archive_all()
    assert moved[:3] == tuple(map(sum, zip(*planned, strict=True)))[:3]


def test_a_second_run_finds_nothing_to_do() -> None:
    site = closed()
    site.archive_all()
    assert not any(site.archive_all())


def test_later_epochs_join_those_that_are_archived() -> None:
    site = closed()
    site.archive_all()
    for month in (4, 5):
        site.do(credit(1))
        site.do(CloseStatement(f"2001-{month:02}-28"))
    site.settle()
    site.clock.forward(days=2)
    before = site.history()
    site.archive_all()
    assert site.versions() == [1, 18]
    assert site.history() == before
    assert [line.count('"sequenceNumber"') for line in before] == [1] * 18


@pytest.mark.parametrize("hours", [0, 23])
def test_an_epoch_that_was_closed_less_than_a_day_ago_stays(hours: int) -> None:
    """A writer that loaded before the close may still be alive, and put at a freed key."""
    site = Stage()
    site.do(OPENING)
    site.do(CloseStatement("2026-01-31"))
    site.settle()
    site.clock.forward(hours=hours)
    assert not any(site.archive_all())
    assert site.versions() == [1, 2]
    site.do(CloseStatement("2026-02-28"))
    site.settle()
    site.clock.forward(hours=25)
    assert site.archive_all().objects == 2


def test_where_nobody_writes_nothing_needs_to_wait() -> None:
    site = Stage()
    site.do(OPENING)
    site.do(credit(1))
    site.do(CloseStatement("2026-01-31"))
    site.settle()
    site.clock.forward(seconds=1)
    assert site.archive_all(grace=NOBODY).objects == 1


def test_what_was_closed_after_the_date_stays() -> None:
    site = closed()
    second = site.table.range(A, 9, 9)[0].at
    archiver = site.archiver()
    before = site.clock.now.fromisoformat(second)
    list(archiver.run(A, site.log.streams([A])[A], before))
    assert site.versions() == [1, *range(5, 15)]


def test_what_is_not_logged_stays() -> None:
    site = closed()
    site.do(CloseStatement("2001-12-28"))
    site.clock.forward(days=2)
    site.archive_all()
    assert site.versions() == [1, 13, 14, 15]


def test_a_second_opening_meets_the_tombstone() -> None:
    site = Stage()
    site.do(OPENING, command_id="opening")
    site.do(credit(1))
    site.do(CloseStatement("2026-01-31"))
    site.settle()
    site.clock.forward(days=2)
    site.archive_all()
    with pytest.raises(Refused, match="account-exists"):
        site.do(OPENING, command_id="another")
    assert site.do(OPENING, command_id="opening") == 1
    assert site.versions() == [1, 3]


def test_a_repeated_command_is_recognised_where_it_is_archived() -> None:
    site = Stage()
    site.do(OPENING)
    key = uuid7(site.clock.milliseconds, bytes(10))
    version = site.do(credit(5), command_id=key)
    for month in range(1, 4):
        for _ in range(70):
            site.do(credit(1))
        site.do(CloseStatement(f"2026-{month:02}-28"))
    site.settle()
    site.clock.forward(days=2)
    site.archive_all()
    before = site.versions()
    assert site.do(credit(5), command_id=key) == version
    assert site.versions() == before


def test_a_random_key_is_recognised_for_a_day_though_its_commit_is_archived() -> None:
    site = Stage()
    site.do(OPENING)
    version = site.do(credit(5), command_id="job-1")
    for month in range(1, 4):
        for _ in range(70):
            site.clock.forward(minutes=6)
            site.do(credit(1))
        site.do(CloseStatement(f"2026-{month:02}-28"))
    site.settle()
    site.clock.forward(minutes=1)
    site.archive_all(grace=NOBODY)
    assert site.versions() == [1, len(site.history())]
    assert site.do(credit(5), command_id="job-1") == version
    site.clock.forward(hours=2)
    with pytest.raises(KeyReusedError):
        site.do(credit(6), command_id="job-1")
    assert site.versions() == [1, len(site.history())]


def test_a_stream_without_its_first_version_is_read_as_it_is() -> None:
    """Nobody may write it, and whoever looks at it, to mend it or to archive others, gets no error."""
    site = Stage()
    for version in (2, 3):
        assert site.table.append(commit(A, version)) is None
    page = site.events.newest(A, limit=9, below=4, consistent=True)
    assert [c.version for c in page.commits] == [3, 2]
    assert [c.version for c in site.events.range(A, 1, 9)] == [2, 3]


def test_a_stray_item_at_a_freed_key_changes_nothing() -> None:
    site = closed()
    before, state = site.history(), loads(site)
    site.archive_all()
    blocks = len(list(site.log.blocks(0)))
    for version in (12, 7):
        stray = commit(A, version, command_id="late", at="2030-01-01T00:00:00.000Z", amount=9)
        assert site.table.append(stray) is None
    assert site.history() == before
    assert site.paged() == before[::-1]
    assert loads(site) == state
    site.settle()
    assert len(list(site.log.blocks(0))) == blocks
    late = uuid7(site.clock.milliseconds - 10**10, bytes(10))
    present = looked_back(
        site.events,
        A,
        load(site.events, account, A, fingerprint="fold-1", vault=site.vault),
        since=0,
    )
    assert present.version_of("late") is None
    assert len(present.commands) == 14
    assert site.do(credit(1), command_id=late) == 15
    site.restore()
    assert site.history()[:14] == before


def test_a_stray_item_that_cannot_be_deleted_is_not_taken_for_the_commit() -> None:
    class Contended(MemoryEvents):
        """Another transaction is at the tombstone."""

        def delete(self, *_deletes: object) -> bool:
            return False

    site = closed()
    before = site.history()
    site.archive_all()
    stray = commit(A, 7, command_id="late", at="2030-01-01T00:00:00.000Z", amount=9)
    assert site.table.append(stray) is None
    contended = Contended()
    contended._streams = site.table._streams
    with pytest.raises(ArchiveConflictError, match="try again"):
        Restore(contended, site.log, site.archive).run(A)
    assert site.history() == before
    site.restore()
    assert site.history() == before


def test_a_transaction_can_take_the_largest_deletes() -> None:
    assert DELETED_AT_ONCE * ITEM_LIMIT + 16 * 1024 < 4 * 1024**2


def kill_points(run: object) -> int:
    """How many calls a whole run makes."""
    process = Mortal()
    run(process)  # type: ignore[operator]
    return process.done


def check(site: Stage, before: dict[str, list[str]], state: object) -> None:
    """Every commit is there exactly once, in its place, and a load finds the same."""
    for stream, lines in before.items():
        assert site.history(stream) == lines
        assert site.paged(stream) == lines[::-1]
    assert loads(site) == state


@pytest.mark.slow
@pytest.mark.parametrize("rules", [{}, IN_PARTS], ids=["whole epochs", "parts"])
def test_killed_after_any_call_and_run_again_it_loses_nothing_and_repeats_nothing(
    rules: dict[str, Any],
) -> None:
    points = kill_points(lambda process: closed().archive_all(process, **rules))
    assert points > 20
    for last in range(1, points + 1):
        site = closed()
        before, state = {s: site.history(s) for s in (A, B)}, loads(site)
        with pytest.raises(KilledError):
            site.archive_all(Mortal(last), **rules)
        check(site, before, state)
        site.archive_all(**rules)
        check(site, before, state)
        assert site.versions() == [1, 13, 14], last
        assert site.log.streams([A])[A].archived_through == 12
        assert site.restore() == 12
        assert site.history() == before[A]


def test_killed_again_and_again_it_comes_to_an_end() -> None:
    site = closed()
    before, state = {s: site.history(s) for s in (A, B)}, loads(site)
    for last in count(3):
        try:
            site.archive_all(Mortal(last))
        except KilledError:
            check(site, before, state)
            continue
        break
    assert site.versions() == [1, 13, 14]
    check(site, before, state)


@pytest.mark.parametrize("epoch", [1, 2, 3])
def test_restored_at_any_call_again_it_loses_nothing_and_repeats_nothing(epoch: int) -> None:
    def archived() -> Stage:
        site = closed()
        site.archive_all()
        return site

    points = kill_points(lambda process: archived().restore(epoch, process))
    for last in range(1, points + 1):
        site = archived()
        before, state = {A: site.history()}, loads(site)
        with pytest.raises(KilledError):
            site.restore(epoch, Mortal(last))
        check(site, before, state)
        try:
            site.restore(epoch)
        except LookupError:
            assert last == points
        check(site, before, state)
        through = 4 * (epoch - 1)
        assert site.versions() == [*range(1, 2 if through else 1), *range(through + 1, 15)], last
        assert site.log.streams([A])[A].archived_through == through
        site.archive_all()
        check(site, before, state)
        assert site.versions() == [1, 13, 14]


@pytest.mark.slow
@pytest.mark.parametrize("rules", [{}, IN_PARTS], ids=["whole epochs", "parts"])
@pytest.mark.parametrize("first", ["archiver", "restore"])
def test_a_slow_archiver_deletes_nothing_that_was_restored(
    first: str, rules: dict[str, Any]
) -> None:
    points = kill_points(lambda process: closed().archive_all(process, **rules))
    for paused in range(1, points + 1):
        site = closed()
        before = site.history()
        process = Mortal()
        interrupt(process, paused, site, first)
        site.archive_all(process, **rules)
        assert site.history() == before, paused


@pytest.mark.slow
@pytest.mark.parametrize("epoch", [1, 2, 3])
@pytest.mark.parametrize("paused", [1, 2, 3])
def test_who_reads_while_epochs_are_brought_back_sees_all_of_them(epoch: int, paused: int) -> None:
    """The items were not back yet when they were read, and no longer are said to be archived."""

    archived = closed()
    archived.archive_all()
    before = archived.history()

    def half_restored(last: int) -> ArchivedEvents:
        site = deepcopy(archived)
        with pytest.raises(KilledError):
            site.restore(epoch, Mortal(last))
        return ArchivedEvents(going_on(site, epoch, paused)(site.table), site.archive)

    points = kill_points(lambda process: deepcopy(archived).restore(epoch, process))
    for last in range(1, points + 1):
        for version in range(1, 15):
            found = half_restored(last).range(A, version, version + 7)
            assert [c.line for c in found] == before[version - 1 :][:8]
            page = half_restored(last).newest(A, limit=3, below=version + 1, consistent=True)
            read = [c.line for c in page.commits]
            assert read
            assert read == before[version - len(read) : version][::-1]
            assert page.more == (len(read) < version)


def going_on(site: Stage, epoch: int, paused: int) -> Mortal:
    """A process in which, after a call, somebody ends the restore that was begun."""
    process = Mortal()
    original = process.survive

    def survive() -> None:
        original()
        if process.done == paused:
            with suppress(LookupError):
                site.restore(epoch)

    process.survive = survive  # type: ignore[method-assign]
    return process


def interrupt(process: Mortal, paused: int, site: Stage, other: str) -> None:
    """Lets another process run between two calls of *process*."""
    original = process.survive

    def survive() -> None:
        original()
        if process.done == paused:
            site.archive_all()
            if other == "restore":
                site.restore()

    process.survive = survive  # type: ignore[method-assign]


@pytest.mark.slow
def test_two_archivers_at_any_moment_of_each_other_end_as_one() -> None:
    points = kill_points(closed().archive_all)
    for paused in range(1, points + 1):
        site = closed()
        before = site.history()
        process = Mortal()
        interrupt(process, paused, site, "archiver")
        site.archive_all(process)
        site.archive_all()
        assert site.history() == before
        assert site.versions() == [1, 13, 14]


def test_an_object_that_is_not_the_epoch_stops_the_stream_and_frees_nothing() -> None:
    site = closed()
    key = "epochs/tenant=main/category=account/a/000001-1-4.jsonl.gz"
    site.archive.put(key, b"something else")
    with pytest.raises(DamagedArchiveError):
        list(site.archiver().run(A, site.log.streams([A])[A], site.clock()))
    assert site.versions() == list(range(1, 15))


def test_a_copy_that_did_not_land_frees_nothing() -> None:
    class Forgetful(MemoryArchive):
        def put(self, *_object: object) -> bool:
            return True

    site = closed()
    site.archive = Forgetful()
    with pytest.raises(DamagedArchiveError):
        list(site.archiver().run(A, site.log.streams([A])[A], site.clock()))
    assert site.versions() == list(range(1, 15))


@pytest.mark.parametrize("start", ["epochs", "manifests"])
def test_an_object_that_has_changed_is_not_believed(start: str) -> None:
    site = closed()
    site.archive_all()
    (key, *_) = (key for key in site.archive._objects if key.startswith(start))
    site.archive._objects[key] += b" "
    with pytest.raises(DamagedArchiveError):
        site.events.range(A, 1, EVERY)
    with pytest.raises(DamagedArchiveError):
        site.restore()
    assert site.versions() == [1, 13, 14]


@pytest.mark.parametrize("through", [11, 13])
def test_a_tombstone_that_says_another_version_than_its_manifest_is_not_believed(
    through: int,
) -> None:
    """Else the versions between them were missing in a history, without a word."""
    site = closed()
    site.archive_all()
    (first,) = site.events.range(A, 1, 1)
    tombstone = site.table.range(A, 1, 1)[0]
    assert tombstone.archive is not None
    assert (first.version, tombstone.archive.through) == (1, 12)
    other = tombstone._replace(archive=tombstone.archive._replace(through=through))
    assert site.table.replace(tombstone, other)
    with pytest.raises(DamagedArchiveError, match=f"up to 12, and the tombstone says {through}$"):
        site.events.range(A, 1, EVERY)
    with pytest.raises(DamagedArchiveError):
        site.events.newest(A, below=3)


def test_what_was_never_archived_cannot_be_restored() -> None:
    site = closed()
    with pytest.raises(LookupError):
        site.restore()
    site.archive_all()
    with pytest.raises(LookupError):
        site.restore(4)


def test_an_archiver_leaves_a_stream_alone_that_is_being_restored() -> None:
    site = closed()
    site.archive_all()
    site.do(CloseStatement("2001-12-28"))
    site.settle()
    site.clock.forward(days=2)
    before = site.history()
    for last in count(1):
        with pytest.raises(KilledError):
            site.restore(2, Mortal(last))
        present = site.first().archive
        if present is not None and present.restoring:
            break
    assert present is not None
    assert present.restoring == 5
    assert not any(site.archive_all())
    assert site.first().archive == present
    site.restore(2)
    assert site.history() == before
    assert site.archive_all().objects == 3
    assert site.history() == before


def test_an_epoch_that_fills_a_memory_is_archived_in_parts() -> None:
    site = Stage()
    site.months(2, bookings=9)
    site.settle()
    site.clock.forward(days=2)
    before = site.history()
    moved = site.archive_all(**IN_PARTS)
    parts = [key for key in site.archive._objects if key.startswith("epochs/")]
    assert moved.objects == len(parts) == 8
    assert "epochs/tenant=main/category=account/a/000002-11-12.jsonl.gz" in parts
    # The tombstone has moved on with each part: a manifest each, and one full page.
    assert sum(key.startswith("manifests/") for key in site.archive._objects) == 9
    assert site.history() == before
    assert site.paged() == before[::-1]
    assert site.versions() == [1, 21, 22]
    assert site.restore(2) == 10
    assert site.history() == before
    assert site.versions() == [1, *range(11, 23)]
    site.archive_all(**IN_PARTS)
    assert [key for key in site.archive._objects if key.startswith("epochs/")] == parts


def test_an_epoch_begins_where_its_commits_say_or_nothing_of_it_goes() -> None:
    """An item that was changed by hand must not lead the archiver to cut epochs anywhere."""
    for version, said in ((12, 13), (12, 0), (10, 7)):
        site = closed()
        stream = site.table.everything()[A]
        stream[version] = stream[version]._replace(epoch_start=said)
        with pytest.raises(BrokenStreamError, match=f"version {version} of {A} says"):
            list(site.archiver().run(A, site.log.streams([A])[A], site.clock()))
        assert set(range(9, 15)) <= set(site.versions())


@pytest.mark.parametrize("text", ["\u2028", "\u2029", "\x85", "\x0b\x0c\x1c\r\n"])
def test_a_text_may_hold_what_unicode_takes_for_the_end_of_a_line(text: str) -> None:
    """JSON leaves some of them as they are; one line of an object is still one commit."""
    site = Stage()
    site.do(OPENING)
    site.do(Book((Booking("credit", 5, "CZK", "2026-01-01", purpose=f"a{text}b"),)))
    site.do(CloseStatement("2026-01-31"))
    site.settle()
    site.read_by_all()
    site.clock.forward(days=2)
    before = site.history()
    hashes = [block.hash for block in site.whole.blocks(0)]
    assert site.archive_all().objects == 1
    assert site.prune() == 1
    assert site.history() == before
    assert [block.hash for block in site.whole.blocks(0)] == hashes
    assert [len(commits) for _, commits in site.whole.live()] == [1]
    assert site.restore() == 2
    assert site.history() == before


def test_a_stray_item_of_the_same_command_is_not_taken_for_the_commit() -> None:
    """A late attempt of a command has its id, but was decided on another state."""
    site = closed()
    before = site.history()
    archived = site.table.range(A, 7, 7)[0]
    site.archive_all()
    stray = archived._replace(at="2030-01-01T00:00:00.000Z")
    assert site.table.append(stray) is None
    site.restore()
    assert site.history() == before


def test_the_registry_never_says_that_what_is_back_in_the_table_is_archived() -> None:
    """A restore was killed before it told the registry: then this says too much, not too
    little, and a run with nothing to archive must put that right, too.
    """
    site = closed()
    site.archive_all()
    points = kill_points(lambda process: deepcopy(site).restore(1, process))
    with pytest.raises(KilledError):
        site.restore(1, Mortal(points - 2))
    assert site.versions() == list(range(1, 15))
    assert site.log.streams([A])[A].archived_through == 12
    long_ago = site.clock() - timedelta(days=10_000)
    assert list(site.archiver().run(A, site.log.streams([A])[A], long_ago)) == []
    assert site.log.streams([A])[A].archived_through == 0


def test_nothing_goes_before_all_that_is_older_has_gone() -> None:
    """Two servers' clocks differ: the third epoch seems to be closed before the second."""
    site = closed()
    stream = site.table.everything()[A]
    stream[9] = stream[9]._replace(at="2030-01-01T00:00:00.000Z")
    site.archive_all()
    assert site.versions() == [1, *range(5, 15)]


# --- manifests


def archived_monthly(months: int) -> tuple[Stage, list[str]]:
    """An account whose statement is closed and archived every month; its history."""
    site = Stage()
    site.do(OPENING)
    for month in range(months):
        site.do(credit(1))
        site.do(CloseStatement(f"20{month // 12:02}-{month % 12 + 1:02}-28"))
        site.clock.forward(days=30)
        site.settle()
        site.archive_all()
    return site, site.history()


def test_ten_years_of_monthly_statements_write_little() -> None:
    """A list of all epochs each month would be 1.3 MB; S3 keeps every one of them."""
    site, history = archived_monthly(120)
    pages = {key: data for key, data in site.archive._objects.items() if key[:9] == "manifests"}
    assert len(history) == 241
    assert sum(map(len, pages.values())) < 90_000
    # A page each month, and one each time that eight entries became one.
    assert len(pages) == 120 + 15 + 1
    assert max(map(len, pages.values())) < 2_000


def test_an_old_epoch_is_found_by_a_few_pages() -> None:
    site, history = archived_monthly(120)
    process = Mortal()
    archived = ArchivedEvents(site.table, process(site.archive))
    assert [c.line for c in archived.range(A, 2, 2)] == history[1:2]
    # Three levels of pages, and the part.
    assert process.done == 4


def test_any_epoch_of_many_can_be_restored_and_archived_again() -> None:
    site, history = archived_monthly(70)
    objects = set(site.archive._objects)
    through = site.log.streams([A])[A].archived_through
    for epoch in (69, 65, 64, 57, 9, 8, 1):
        first = site.events.range(A, 2 * epoch, 2 * epoch)[0].epoch_start
        assert site.restore(epoch) == through - first + 1
        assert site.history() == history
        assert site.paged() == history[::-1]
        site.archive_all()
        assert site.history() == history
    new = set(site.archive._objects) - objects
    assert all(key.startswith("manifests/") for key in new)


@pytest.mark.parametrize("months", [1, 7, 8, 9, 64, 65, 73])
def test_every_object_of_the_archive_is_proved_by_the_tombstone(months: int) -> None:
    """Whichever one is changed, who reads the whole stream is told so."""
    site, history = archived_monthly(months)
    first = site.first().archive
    assert first is not None
    reached: set[str] = set()

    class Noting(MemoryArchive):
        def get(self, key: str) -> bytes | None:
            reached.add(key)
            return site.archive.get(key)

    whole = ArchivedEvents(site.table, Noting())
    assert [commit.line for commit in whole.range(A, 1, EVERY)] == history
    assert {key for key in site.archive._objects if key.startswith("epochs/")} <= reached
    for key in sorted(reached):
        changed = deepcopy(site.archive)
        changed._objects[key][-1] ^= 1
        with pytest.raises(DamagedArchiveError):
            ArchivedEvents(site.table, changed).range(A, 1, EVERY)


def test_candidates_are_the_streams_of_all_logs() -> None:
    """All logs have one registry, so one run goes through it for all of them."""
    registry = {f"{tenant}/account-a": StreamEntry(3, 1, epoch=2) for tenant in ("north", "south")}
    north, south = MemoryLog(registry), MemoryLog(registry)
    archiver = Archiver(MemoryEvents(), north, MemoryArchive(), Clock())
    assert {stream for stream, _ in archiver.candidates()} == set(registry)
    assert [stream for stream, _ in south.registry()] == []

"""What every event store promises."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest

from chalicelib.leftfold.kernel import Archived, Bar, Commit, RecentCommand, Snapshot, StoredEvent
from chalicelib.leftfold.store.events import (
    ITEM_LIMIT,
    ROOM_FOR_A_COPY,
    DynamoEvents,
    fitting_item,
    item_of,
    item_size,
)
from chalicelib.leftfold.store.memory import MemoryEvents
from chalicelib.leftfold.store.ports import (
    BarredError,
    CommitTooLargeError,
    ContendedError,
    EventStore,
    EventTable,
    GenerationTable,
    MalformedCommitError,
    StreamAdvancedError,
    StreamVersion,
)
from tests.commits import commit
from tools.tables import create_tables, dynamodb_client


@pytest.fixture(scope="module")
def dynamo_events(dynamodb_local: str) -> DynamoEvents:
    client = dynamodb_client(dynamodb_local)
    return DynamoEvents(client, f"{create_tables(client)}-events")


@pytest.fixture(
    params=["memory", pytest.param("dynamodb", marks=pytest.mark.engine("dynamodb_local"))]
)
def events(request: pytest.FixtureRequest) -> GenerationTable:
    if request.param == "memory":
        return MemoryEvents()
    store: DynamoEvents = request.getfixturevalue("dynamo_events")
    return store


@pytest.fixture
def stream() -> str:
    return f"main/account-{uuid4()}"


def test_what_a_writer_changes_afterwards_is_not_stored(events: EventStore, stream: str) -> None:
    amount, balance = {"amount": 1}, {"balance": 1}
    credit = StoredEvent("account-credited", 1, amount)
    plain = commit(stream, 2)._replace(events=(credit,))
    held = plain._replace(version=3, command_id="other", snapshot=Snapshot("f", balance))
    assert events.append(plain) is None
    assert events.append(held) is None
    amount["amount"] = balance["balance"] = 2
    found = events.range(stream, 2, 3)
    assert [event.body for each in found for event in each.events] == [{"amount": 1}] * 2
    assert found[1].snapshot == Snapshot("f", {"balance": 1})


def test_a_commit_comes_back_as_it_was_written(events: EventStore, stream: str) -> None:
    written = commit(
        stream,
        3,
        deps=(("main/account-b", 7),),
        tags=("customer:17", "order:A-1"),
        root=("main/account-c", 1),
        source=("main/account-d", 2),
        position=17,
        indexes=(1,),
        addressed="main/account-d",
        mark=3,
        progress={"kind": "card"},
        epoch=2,
        epoch_start=2,
        snapshot=Snapshot("f", {"balance": 10**18, "owner": "Žofie"}),
        recent_commands=(
            RecentCommand(b"c" * 16, b"b" * 8, 1),
            RecentCommand(b"d" * 16, b"\0" * 8, 0),
        ),
    )
    assert events.append(written) is None
    assert list(events.newest(stream, consistent=True).commits) == [written]
    assert list(events.range(stream, 1, 3)) == [written]


def test_a_taken_version_is_not_written_and_its_holder_is_told(
    events: EventStore, stream: str
) -> None:
    first = commit(stream, 1, command_id="first")
    assert events.append(first) is None
    assert events.append(commit(stream, 1, command_id="second")) == first
    assert list(events.range(stream, 1, 9)) == [first]


def test_newest_reads_descending_in_pages(events: EventStore, stream: str) -> None:
    for version in range(1, 8):
        events.append(commit(stream, version))
    page = events.newest(stream, limit=3, consistent=True)
    assert [c.version for c in page.commits] == [7, 6, 5]
    assert page.more
    rest = events.newest(stream, below=5, consistent=True)
    assert [c.version for c in rest.commits] == [4, 3, 2, 1]
    assert not rest.more


def test_a_stream_that_is_not_there_is_empty(events: EventStore, stream: str) -> None:
    assert list(events.newest(stream, consistent=True).commits) == []
    assert list(events.range(stream, 1, 5)) == []


def test_a_range_is_ascending_and_leaves_out_what_is_missing(
    events: EventStore, stream: str
) -> None:
    for version in (3, 1, 5):
        events.append(commit(stream, version))
    assert [c.version for c in events.range(stream, 1, 4)] == [1, 3]
    assert list(events.range(stream, 4, 3)) == []


def test_a_page_is_the_beginning_of_a_range_and_about_a_megabyte(
    events: EventTable, stream: str
) -> None:
    """Who reads a stream page by page holds no more of it than that."""
    text = "x" * 300_000
    written = [commit(stream, version, command_id=f"{version} {text}") for version in range(1, 8)]
    for each in written:
        events.append(each)
    read: list[Commit] = []
    while page := events.page(stream, 2 + len(read), 6):
        # The item that goes beyond it may still be there.
        assert sum(item_size(item_of(each)) for each in page[:-1]) <= 1024 * 1024
        read += page
    assert read == written[1:6]
    assert len(events.page(stream, 1, 9)) < 5
    assert list(events.page(stream, 8, 9)) == []
    assert list(events.page(stream, 3, 2)) == []
    assert list(events.page(f"{stream}-nobody", 1, 9)) == []


def test_a_scan_of_all_parts_sees_every_item_once(events: EventStore, stream: str) -> None:
    keys = {(f"{stream}-{n}", version) for n in range(9) for version in (1, 2)}
    for aggregate_id, version in sorted(keys):
        events.append(commit(aggregate_id, version))
    seen: list[tuple[str, int]] = []
    for part in range(3):
        after = None
        while True:
            page, after = events.scan(part, 3, after, limit=2)
            seen += page
            if after is None:
                break
    ours = [key for key in seen if key[0].startswith(stream)]
    assert len(ours) == len(keys)
    assert set(ours) == keys


def test_of_many_racing_writers_of_a_version_one_wins(events: EventStore, stream: str) -> None:
    rivals = [commit(stream, 1, command_id=f"c{n}") for n in range(16)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(events.append, rivals))
    (winner,) = events.range(stream, 1, 1)
    assert answers.count(None) == 1
    assert all(answer in (None, winner) for answer in answers)


def test_a_commit_is_written_while_a_place_elsewhere_is_free(
    events: EventStore, stream: str
) -> None:
    other = f"{stream}-other"
    written = commit(stream, 1)
    assert events.append(written, StreamVersion(other, 1)) is None
    assert list(events.range(stream, 1, 1)) == [written]


def test_nothing_is_written_once_a_place_elsewhere_is_taken(
    events: EventStore, stream: str
) -> None:
    other = f"{stream}-other"
    events.append(commit(other, 1))
    with pytest.raises(StreamAdvancedError, match=f"^the stream {other} has version 1 already$"):
        events.append(commit(stream, 1), StreamVersion(other, 1))
    assert list(events.range(stream, 1, 1)) == []
    assert events.append(commit(stream, 1), StreamVersion(other, 2)) is None


def test_who_holds_the_version_is_told_before_who_has_moved_on(
    events: EventStore, stream: str
) -> None:
    other = f"{stream}-other"
    first = commit(stream, 1, command_id="first")
    assert events.append(first, StreamVersion(other, 1)) is None
    events.append(commit(other, 1))
    # A repeated attempt whose answer was lost: it has succeeded.
    assert events.append(first, StreamVersion(other, 1)) == first


def test_of_two_that_exclude_each_other_one_is_written(events: EventStore, stream: str) -> None:
    """Each is written only while the other is not there, round after round."""
    sides = (f"{stream}-a", f"{stream}-b")

    def write(attempt: tuple[int, int]) -> bool:
        side, round_ = attempt
        mine, other = sides[side], sides[1 - side]
        while True:
            try:
                return (
                    events.append(commit(f"{mine}-{round_}"), StreamVersion(f"{other}-{round_}", 1))
                    is None
                )
            except ContendedError:
                continue
            except StreamAdvancedError:
                return False

    rounds = range(40)
    attempts = [(side, round_) for round_ in rounds for side in (0, 1, 0, 1)]
    with ThreadPoolExecutor(8) as pool:
        won = [a for a, wrote in zip(attempts, pool.map(write, attempts), strict=True) if wrote]
    assert sorted(round_ for _, round_ in won) == list(rounds)
    for side, round_ in won:
        assert len(events.range(f"{sides[side]}-{round_}", 1, 9)) == 1
        assert list(events.range(f"{sides[1 - side]}-{round_}", 1, 9)) == []


def test_a_snapshot_that_makes_the_item_too_large_is_left_out(
    events: EventStore, stream: str
) -> None:
    large = commit(stream, 1, snapshot=Snapshot("f", "x" * ITEM_LIMIT))
    assert events.append(large) is None
    (kept,) = events.range(stream, 1, 1)
    assert kept.snapshot is None
    assert kept.events == large.events


def test_a_commit_over_400_kb_is_refused_before_it_is_sent(events: EventStore, stream: str) -> None:
    huge = commit(stream, 1)
    events_too_large = (StoredEvent("account-opened", 1, {"owner": "x" * ITEM_LIMIT}),)
    with pytest.raises(CommitTooLargeError):
        events.append(huge._replace(events=events_too_large))
    assert list(events.range(stream, 1, 1)) == []


@pytest.mark.parametrize("longest", ["command_id", "actor", "authority", "correlation_id", "deps"])
def test_whatever_makes_a_commit_too_large_is_seen(
    events: EventStore, stream: str, longest: str
) -> None:
    """No character takes more than the four bytes of this one in UTF-8."""
    text = "\U0001f600" * (ITEM_LIMIT // 4)
    huge: Any = ((f"{text}/account-1", 1),) if longest == "deps" else text
    with pytest.raises(CommitTooLargeError):
        events.append(commit(stream, 1)._replace(**{longest: huge}))
    assert list(events.range(stream, 1, 1)) == []


@pytest.mark.parametrize("spare", [0, 1])
def test_the_size_guard_agrees_with_dynamodb_to_the_byte(
    dynamo_events: DynamoEvents, stream: str, spare: int
) -> None:
    """A copy of exactly 400 KB is taken; the guard refuses one byte more."""
    copied = commit(stream, 1, command_id="c", root=(stream, 1), source=(stream, 1))
    empty = item_size(fitting_item(copied))
    filled = copied._replace(command_id="c" * (1 + ITEM_LIMIT - empty - spare))
    assert item_size(fitting_item(filled)) == ITEM_LIMIT - spare
    assert dynamo_events.put_copy(filled) is None
    with pytest.raises(CommitTooLargeError):
        fitting_item(copied._replace(command_id="c" * (2 + ITEM_LIMIT - empty)))


def test_a_commit_leaves_room_for_what_its_copy_says_besides(stream: str) -> None:
    spare = (
        ITEM_LIMIT - ROOM_FOR_A_COPY - item_size(fitting_item(commit(stream, 1, command_id="c")))
    )
    largest = commit(stream, 1, command_id="c" * (1 + spare))
    assert item_size(fitting_item(largest)) == ITEM_LIMIT - ROOM_FOR_A_COPY
    with pytest.raises(CommitTooLargeError, match="may have 405504"):
        fitting_item(largest._replace(command_id="c" * (2 + spare)))
    # 512 bytes are the longest id.
    long = f"main/account-{'k' * 499}"
    copy = largest._replace(
        aggregate_id=long, root=(long, 10**9), source=(long, 10**9), position=10**12, addressed=long
    )
    assert item_size(fitting_item(copy)) < ITEM_LIMIT


def test_a_tombstone_keeps_the_identity_and_tells_where_the_rest_is(
    events: EventTable, stream: str
) -> None:
    first = commit(stream, 1, command_id="opening", recent_commands=())
    tombstone = first._replace(events=(), recent_commands=None, archive=Archived(2, "k", "h"))
    events.append(first)
    assert events.replace(first, tombstone)
    assert list(events.range(stream, 1, 1)) == [tombstone]
    assert events.append(commit(stream, 1, command_id="another")) == tombstone
    assert not events.replace(first, first)
    assert events.replace(tombstone, first)
    assert list(events.range(stream, 1, 1)) == [first]


def test_what_is_not_there_is_not_replaced(events: EventTable, stream: str) -> None:
    assert not events.replace(commit(stream, 1), commit(stream, 1))
    assert list(events.range(stream, 1, 1)) == []


def test_versions_are_deleted_only_under_the_tombstone_that_covers_them(
    events: EventTable, stream: str
) -> None:
    first = commit(stream, 1)
    for version in range(1, 30):
        events.append(commit(stream, version))
    tombstone = first._replace(events=(), archive=Archived(28, "k", "h"))
    assert not events.delete(tombstone, [2, 3])
    events.replace(first, tombstone)
    moved = tombstone._replace(archive=Archived(28, "k", "h", restoring=2))
    assert not events.delete(moved, [2, 3])
    assert events.delete(tombstone, range(2, 27))
    assert events.delete(tombstone, [26, 27, 28])
    assert [c.version for c in events.range(stream, 1, 99)] == [1, 29]


COPIED: dict[str, Any] = {"root": ("main/account-b", 1), "source": ("main/account-b", 1)}
WRONG: dict[str, dict[str, Any]] = {
    "version 0": {"version": 0},
    "a version below 0": {"version": -5},
    "no aggregate id": {"aggregate_id": ""},
    "an aggregate id without a tenant": {"aggregate_id": "account-a"},
    "an aggregate id without a category": {"aggregate_id": "main/a"},
    "an aggregate id without a key": {"aggregate_id": "main/account-"},
    "an aggregate id with a key of 65 characters": {"aggregate_id": "main/account-" + "a" * 65},
    "an aggregate id with two slashes": {"aggregate_id": "main/account-a/b"},
    "an aggregate id with a line's end": {"aggregate_id": "main/account-a\n"},
    "epoch 0": {"epoch": 0},
    "an epoch that begins later": {"epoch": 2, "epoch_start": 3},
    "more epochs than versions": {"epoch": 3, "epoch_start": 2},
    "a second epoch from the first version on": {"epoch": 2, "epoch_start": 1},
    "a first epoch from a later version on": {"epoch": 1, "epoch_start": 2},
    "no command": {"command_id": ""},
    "a hash that is none": {"body_hash": "not a hash"},
    "a local time": {"at": "2026-01-01T00:00:00.000+01:00"},
    "a day that is none": {"at": "2026-02-30T00:00:00.000Z"},
    "a time before 1970": {"at": "1969-12-31T23:59:59.999Z"},
    "a cause of version 0": {"deps": (("main/account-b", 0),)},
    "a cause in no stream": {"deps": (("", 1),)},
    "itself as its cause": {"deps": (("main/account-a", 2),)},
    "an event without a name": {"events": (StoredEvent("", 1, {}),)},
    "an event of version 0": {"events": (StoredEvent("account-closed", 0, {}),)},
    "more commands before it than versions": {
        "recent_commands": (RecentCommand(b"c" * 16, b"b" * 8, 1),) * 2
    },
    "half a command": {"recent_commands": (RecentCommand(b"c", b"b" * 8, 1),)},
    "a format that this engine does not write": {"format": 2},
    "nobody who acted": {"actor": ""},
    "no authority": {"authority": ""},
    "no trace": {"traceparent": ""},
    "a trace of zeros": {"traceparent": f"00-{'0' * 32}-b7ad6b7169203331-01"},
    "a tag without a key": {"tags": ("customer",)},
    "a tag twice": {"tags": ("customer:17", "customer:17")},
    "a root without a source": {"root": ("main/account-b", 1)},
    "a source without a root": {"source": ("main/account-b", 1)},
    "a root of version 0": {"root": ("main/account-b", 0), "source": ("main/account-b", 1)},
    "a source in no stream": {"root": ("main/account-b", 1), "source": ("", 1)},
    "a tombstone": {"events": (), "archive": Archived(2, "k", "h")},
    "a position and no root": {"position": 0},
    "a mark and no root": {"mark": 1},
    "progress and no root": {"progress": {}},
    "a stream that was addressed and no root": {"addressed": "main/account-b"},
    "an index too many": COPIED | {"indexes": (0, 1)},
    "an index twice": COPIED | {"events": (StoredEvent("e", 1, {}),) * 2, "indexes": (1, 1)},
    "an index below 0": COPIED | {"indexes": (-1,)},
    "a position below 0": COPIED | {"position": -1},
    "no stream that was addressed": COPIED | {"addressed": "b"},
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_what_no_stream_can_have_is_refused_and_nothing_is_written(
    events: EventStore, wrong: dict[str, Any]
) -> None:
    before = everything(events)
    with pytest.raises(MalformedCommitError):
        events.append(commit("main/account-a", 2)._replace(**wrong))
    assert everything(events) == before


def everything(events: EventStore) -> list[tuple[str, int]]:
    """The keys of all items."""
    keys, after = events.scan(0, 1, None, 100_000)
    found = list(keys)
    while after is not None:
        keys, after = events.scan(0, 1, after, 100_000)
        found += keys
    return sorted(found)


@pytest.mark.parametrize(
    "unless",
    [StreamVersion("main/account-b", 0), StreamVersion("", 1), StreamVersion("main/account-c", 1)],
)
def test_a_condition_that_says_nothing_is_refused(
    events: EventStore, unless: StreamVersion
) -> None:
    """No commit can have the key; or it is the commit's own key, which the append checks anyway."""
    with pytest.raises(MalformedCommitError):
        events.append(commit("main/account-c", 1), unless)
    assert list(events.range("main/account-c", 1, 1)) == []


def test_a_commit_without_events_is_taken(events: EventStore, stream: str) -> None:
    """Rules never lead to one; who copies a stream may have to keep a version so."""
    empty = commit(stream, 1)._replace(events=())
    assert events.append(empty) is None
    assert list(events.range(stream, 1, 1)) == [empty]


def test_only_version_1_is_replaced_and_only_by_itself(events: EventTable, stream: str) -> None:
    first, second = commit(stream, 1), commit(stream, 2)
    events.append(first)
    events.append(second)
    for stored, by in (
        (first, second),
        (second, second),
        (first, commit(f"{stream}-b", 1, command_id=first.command_id)),
        (first, commit(stream, 1, command_id="another")),
        (first, first._replace(body_hash="")),
    ):
        with pytest.raises(MalformedCommitError):
            events.replace(stored, by)
    assert list(events.range(stream, 1, 2)) == [first, second]


@pytest.mark.parametrize("versions", [[1], [0], [2, 30], range(2, 102)])
def test_nothing_is_deleted_that_is_not_archived(
    events: EventTable, stream: str, versions: Sequence[int]
) -> None:
    first = commit(stream, 1)
    for version in (1, 2, 29, 30):
        events.append(commit(stream, version))
    through = 200 if len(versions) > 99 else 29
    tombstone = first._replace(events=(), archive=Archived(through, "k", "h"))
    events.replace(first, tombstone)
    with pytest.raises(MalformedCommitError):
        events.delete(tombstone, versions)
    with pytest.raises(MalformedCommitError):
        events.delete(first, [2])
    assert [c.version for c in events.range(stream, 1, 99)] == [1, 2, 29, 30]


def copy_of(stream: str, version: int, **fields: Any) -> Commit:
    """A copy of the same version of another stream."""
    origin = ("main/account-origin", version)
    return commit(stream, version, root=origin, source=origin, **fields)


def test_nothing_is_appended_behind_a_bar(events: GenerationTable, stream: str) -> None:
    first = commit(stream, 1)
    events.append(first)
    bar = Bar(stream, 2, 1)
    assert events.bar(bar)
    with pytest.raises(BarredError) as raised:
        events.append(commit(stream, 2))
    assert raised.value.bar == bar
    with pytest.raises(BarredError):
        events.append(commit(stream, 2), StreamVersion(f"{stream}-b", 1))
    assert events.newest(stream, consistent=True) == ([first], False, bar)


def test_a_bar_counts_as_the_other_stream_that_has_moved_on(
    events: GenerationTable, stream: str
) -> None:
    events.bar(Bar(f"{stream}-b", 1, 1))
    with pytest.raises(StreamAdvancedError):
        events.append(commit(stream, 1), StreamVersion(f"{stream}-b", 1))


def test_a_bar_is_no_commit_to_whoever_reads(events: GenerationTable, stream: str) -> None:
    first = commit(stream, 1)
    events.append(first)
    events.bar(Bar(stream, 2, 1))
    events.bar(Bar(f"{stream}-b", 1, 1))
    assert list(events.range(stream, 1, 9)) == [first]
    assert list(events.page(stream, 1, 9)) == [first]
    assert events.newest(stream, below=2, consistent=True) == ([first], False, None)
    assert events.newest(f"{stream}-b", consistent=True) == ([], False, Bar(f"{stream}-b", 1, 1))
    assert [key for key in everything(events) if key[0].startswith(stream)] == [(stream, 1)]


def test_a_bar_is_put_where_nothing_is(events: GenerationTable, stream: str) -> None:
    events.append(commit(stream, 1))
    assert not events.bar(Bar(stream, 1, 1))
    assert events.bar(Bar(stream, 2, 1))
    assert not events.bar(Bar(stream, 2, 1))
    assert not events.bar(Bar(stream, 2, 2))
    assert events.newest(stream, consistent=True).bar == Bar(stream, 2, 1)


def test_a_bar_goes_only_if_it_is_the_one_that_was_read(
    events: GenerationTable, stream: str
) -> None:
    events.append(commit(stream, 1))
    events.bar(Bar(stream, 2, 3))
    for other in (Bar(stream, 2, 1), Bar(stream, 1, 3), Bar(stream, 3, 3)):
        assert not events.remove_bar(other)
    assert events.remove_bar(Bar(stream, 2, 3))
    assert events.newest(stream, consistent=True).bar is None
    assert events.append(commit(stream, 2)) is None


def test_a_copy_takes_a_free_key_or_that_of_the_bar_that_was_read(
    events: GenerationTable, stream: str
) -> None:
    assert events.put_copy(copy_of(stream, 1)) is None
    events.bar(Bar(stream, 2, 1))
    with pytest.raises(BarredError):
        events.put_copy(copy_of(stream, 2))
    with pytest.raises(BarredError):
        events.put_copy(copy_of(stream, 2), Bar(stream, 2, 2))
    assert events.put_copy(copy_of(stream, 2), Bar(stream, 2, 1)) is None
    assert events.put_copy(copy_of(stream, 2), Bar(stream, 2, 1)) == copy_of(stream, 2)
    # The bar that was read is gone, and the key is free.
    assert events.put_copy(copy_of(stream, 3), Bar(stream, 3, 1)) is None
    page = events.newest(stream, consistent=True)
    assert [c.version for c in page.commits] == [3, 2, 1]
    assert page.bar is None


def test_a_copy_alone_is_marked(events: GenerationTable, stream: str) -> None:
    events.put_copy(copy_of(stream, 1))
    events.append(commit(stream, 2))
    events.bar(Bar(stream, 3, 1))
    assert events.mark(stream, 1, 5)
    assert [events.mark(stream, version, 5) for version in (2, 3, 4)] == [False, False, False]
    assert list(events.range(stream, 1, 9)) == [copy_of(stream, 1, mark=5), commit(stream, 2)]


@pytest.mark.parametrize(
    "bar", [Bar("main/account-a", 0, 1), Bar("main/account-a", 1, 0), Bar("account", 1, 1)]
)
def test_what_is_no_bar_is_refused(events: GenerationTable, bar: Bar) -> None:
    with pytest.raises(MalformedCommitError):
        events.bar(bar)


def test_what_is_no_copy_is_not_put_as_one(events: GenerationTable, stream: str) -> None:
    with pytest.raises(MalformedCommitError):
        events.put_copy(commit(stream, 1))
    with pytest.raises(MalformedCommitError):
        events.put_copy(copy_of(stream, 1), Bar(stream, 2, 1))
    assert list(events.range(stream, 1, 9)) == []

"""A replay that reads bytes makes what a replay of parsed commits makes, failures and all."""

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.leftfold.archive.segments import pack_blocks, unpack_blocks
from chalicelib.leftfold.kernel import (
    Codec,
    Commit,
    Recorded,
    Row,
    StoredEvent,
    UnknownFormatError,
    View,
)
from chalicelib.leftfold.kernel.repair import NO_REPAIRS, Correction, Repair
from chalicelib.leftfold.projection.fold import Body, fold
from chalicelib.leftfold.projection.replay import replay
from chalicelib.leftfold.projection.rows import ROW_BYTES, StoredRow
from chalicelib.leftfold.projection.typed import (
    typed,
    unpack_blocks_quickly,
    unpack_quickly,
)
from chalicelib.leftfold.store.blocks import pack, seal
from chalicelib.leftfold.store.memory import MemoryLog
from chalicelib.leftfold.store.ports import Block, Head
from chalicelib.leftfold.subjects.opening import CLOSED, Closed, Opener
from tests.builders import Added
from tests.commits import commit
from tests.projection.stories import Block as StoryBlock
from tests.projection.stories import histories, log_of
from tests.projection.views import additions, buggy, parity, piles

A = "main/pile-a"


@dataclass(frozen=True)
class Part:
    text: str


@dataclass(frozen=True)
class Plain:
    amount: int
    kind: Literal["a", "b"]
    note: str | None = None
    ready: bool = False


@dataclass(frozen=True)
class Parted:
    part: Part | None


@dataclass(frozen=True)
class Nested:
    parts: tuple[Part, ...]
    sums: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Checked:
    amount: int

    def __post_init__(self) -> None:
        if self.amount < 0:
            raise ValueError("below zero")


@dataclass(frozen=True, slots=True)
class Slotted:
    amount: int


codec: Codec[Any] = Codec(
    {"plain": Plain, "parted": Parted, "nested": Nested, "checked": Checked, "slotted": Slotted},
    upcasts={
        ("plain", 1): lambda body: {**body, "kind": "a"},
        ("old", 1): lambda body: [StoredEvent("checked", 1, body), StoredEvent("slotted", 1, body)],
    },
)


class Packed(MemoryLog):
    """A log whose commits come as a quick reader makes them."""

    def __init__(self, log: MemoryLog, *, opens: bool = False) -> None:
        super().__init__()
        self.inner, self.opens = log, opens

    def head(self) -> Head:
        return self.inner.head()

    def blocks(
        self, position: int, limit: int | None = None, heard: Collection[str] | None = None
    ) -> Iterator[Block]:
        for block in self.inner.blocks(position, limit, heard):
            packed = pack(block.commits)
            yield block._replace(commits=unpack_quickly(packed, opens=self.opens))


def same(view: View, log: MemoryLog) -> bool:
    quick = replay(typed(view), Packed(log), lambda _: None)
    return quick == replay(view, log, lambda _: None)


VIEWS = [piles, additions, parity]


@given(histories, st.sampled_from([*VIEWS, *map(buggy, VIEWS)]))
def test_the_rows_and_the_failures_are_the_same(history: list[StoryBlock], view: View) -> None:
    assert same(view, log_of(history).log)


def outcome(decode: Any, stored: StoredEvent) -> Any:
    try:
        return decode(stored)
    except Exception as error:  # noqa: BLE001 - what it raises is compared
        return type(error), str(error)


BODIES: list[dict[str, Any]] = [
    {"amount": 1, "kind": "a"},
    {"amount": 1, "kind": "b", "note": "x", "ready": True},
    {"amount": 1, "kind": "a", "note": None},
    {"amount": 1, "kind": "a", "more": 1},
    {"amount": 1},
    {"amount": 10**30, "kind": "a"},
    {"amount": "1", "kind": "a"},
    {"amount": 1, "kind": "c"},
    {"amount": 1, "kind": "a", "ready": None},
    {"amount": -1},
    {"part": {"text": "x"}},
    {"part": {"text": "x", "more": 1}},
    {"part": None},
    {"parts": [{"text": "x"}], "sums": {"k": 1}},
    {"parts": [{"text": "x", "more": 1}]},
    {"parts": []},
    {},
]


@pytest.mark.parametrize("body", BODIES, ids=json.dumps)
@pytest.mark.parametrize(
    ("name", "version"),
    [
        *(("plain", 2), ("plain", 1), ("nested", 1), ("checked", 1), ("slotted", 1), ("old", 1)),
        *(("parted", 1), ("plain", 3), ("other", 1)),
    ],
)
def test_an_event_of_bytes_is_the_event_of_its_body(
    name: str, version: int, body: dict[str, Any]
) -> None:
    quick = typed(replace(piles, codecs={"pile": codec})).codecs["pile"]
    (made,) = unpack_quickly(pack([commit(A)._replace(events=(StoredEvent(name, version, body),))]))
    expected = outcome(codec.decode, StoredEvent(name, version, body))
    assert outcome(quick.decode, made.events[0]) == expected
    assert outcome(quick.decode, StoredEvent(name, version, body)) == expected


def test_the_rest_of_a_commit_is_as_it_was() -> None:
    made = commit(A, 3, deps=(("main/pile-b", 2),), tags=("customer:17",), epoch=2, epoch_start=3)
    (quick,) = unpack_quickly(pack([made]))
    assert quick._replace(events=()) == made._replace(events=())


def test_a_copy_is_read_whole() -> None:
    made = commit(A)._replace(root=("main/pile-b", 1), source=("main/pile-b", 1))
    assert [*unpack_quickly(pack([made]))] == [made]


def test_what_a_newer_engine_wrote_is_told() -> None:
    newer = commit(A)._replace(format=2)
    with pytest.raises(UnknownFormatError):
        [*unpack_quickly(pack([newer]))]
    rows: dict[str, StoredRow] = {}
    body = cast("Body", unpack_quickly(pack([newer])))
    assert not body.fold(typed(piles), 0, rows)
    assert rows == {}


def test_a_segment_is_read_as_ever() -> None:
    first, head = seal(Head(), [commit(A), commit(A, 2)])
    second, _ = seal(head, [commit(A, 3)])
    data = pack_blocks([first, second])
    quick = unpack_blocks_quickly(data)
    assert [b._replace(commits=()) for b in quick] == [
        b._replace(commits=()) for b in unpack_blocks(data)
    ]
    assert [c.version for b in quick for c in b.commits] == [1, 2, 3]
    assert [len(b.commits) for b in quick] == [2, 1]
    copied, _ = seal(Head(), [commit(A)._replace(root=("main/pile-b", 1))])
    (read,) = unpack_blocks_quickly(pack_blocks([copied]))
    assert [read._replace(commits=[*read.commits])] == unpack_blocks(pack_blocks([copied]))


def test_a_block_of_a_newer_format_is_told() -> None:
    block, _ = seal(Head(), [commit(A)])
    with pytest.raises(UnknownFormatError):
        unpack_blocks_quickly(pack_blocks([block._replace(format=2)]))


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("root", [None, ("main/pile-b", 1)])
def test_a_block_on_which_no_view_fails_is_folded_before_its_commits_are_made(
    view: View, root: tuple[str, int] | None
) -> None:
    events = (StoredEvent("added", 1, {"amount": 4}), StoredEvent("added", 1, {"amount": 5}))
    commits = [commit(A, n)._replace(root=root, events=events) for n in (1, 2, 3)]
    rows: dict[str, StoredRow] = {}
    body = cast("Body", unpack_quickly(pack(commits)))
    assert body.fold(typed(view), 5, rows)
    assert "_commits" not in vars(body)
    assert rows == fold(view, enumerate(commits, 5), {})
    # What is in a row already is not folded again.
    assert body.fold(typed(view), 5, rows)
    assert rows == fold(view, enumerate(commits, 5), {})


@pytest.mark.parametrize("personal", [True, False])
@pytest.mark.parametrize("accumulates", [True, False])
def test_a_view_sees_what_it_always_sees(*, personal: bool, accumulates: bool) -> None:
    view = replace(
        piles,
        fold=lambda row, recorded, key: {
            "former": row and row["seen"],
            "seen": [*recorded[:5], key],
        },
        personal=personal,
        accumulates=accumulates,
    )
    assert same(view, log_of([[(A, [Added(1), Added(2)])], [(A, [Added(3)])]]).log)


def grown(row: Row | None, recorded: Recorded, _key: str) -> Row:
    """A row that no store accepts behind one commit, and that every store accepts behind the next."""
    odd: Any = {1: "x", 2: "x" * ROW_BYTES, 3: {1, 2}, 4: {1: 2}, 5: float("nan"), 6: "\ud800"}
    number = recorded.event.amount
    return {"last": odd.get(number, number), "count": (row["count"] if row else 0) + 1}


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5, 6, 7])
def test_a_row_of_an_ordered_view_is_checked_at_each_commit(number: int) -> None:
    view = replace(parity, fold=grown)
    assert same(view, log_of([[("main/pile-a", [Added(9)]), ("main/pile-a", [Added(number)])]]).log)
    story = log_of([[(A, [Added(9)]), (A, [Added(number)]), (A, [Added(11)])]])
    assert same(view, story.log)
    stops = {1: False, 4: False, 7: False}.get(number, True)
    assert bool(replay(typed(view), Packed(story.log), lambda _: None).stopped) is stops


def test_rows_that_are_large_together_are_folded_whole() -> None:
    wide = replace(parity, fold=lambda _row, _recorded, _key: {"text": "x" * (ROW_BYTES // 4)})
    added = (StoredEvent("added", 1, {"amount": 4}),)
    body = cast("Body", unpack_quickly(pack([commit(A, n)._replace(events=added) for n in (1, 2)])))
    rows: dict[str, StoredRow] = {}
    assert body.fold(typed(wide), 0, rows)
    assert set(rows) == {"main/all", "main/even"}


WRONG_KEYS = ["", "other/all", "mainly/all", "main/pile-b", "x" * 600, "main/pile-a" + "é" * 300]


@pytest.mark.parametrize("key", WRONG_KEYS)
@pytest.mark.parametrize("view", [piles, parity], ids=["partitioned", "ordered"])
def test_a_key_that_is_not_of_the_stream_stops_a_quick_replay_too(view: View, key: str) -> None:
    wrong = replace(
        view,
        keys=lambda recorded: (
            key if recorded.event == Added(13) else f"{recorded.aggregate_id}/x",
            f"{recorded.aggregate_id}/x",
        ),
        fold=lambda row, recorded, _: {"sum": (row["sum"] if row else 0) + recorded.event.amount},
    )
    other = ("other/pile-a", [Added(3)])
    history = [[(A, [Added(1)]), other, (A, [Added(13), Added(2)])], [(A, [Added(4)])]]
    assert same(wrong, log_of(history).log)
    # A row that is there already is no row of another tenant's.
    stray = replace(wrong, keys=lambda _: ("other/all",))
    assert same(stray, log_of([[other, (A, [Added(1)])]]).log)


class Keys(Closed):
    """An opener with one key, which says what was sealed."""

    def opened(self, commits: Sequence[Commit]) -> Sequence[Commit]:
        return [
            made._replace(
                events=tuple(
                    event._replace(body=event.body | {"note": "told"}, sealed={})
                    if event.sealed
                    else event
                    for event in made.events
                )
            )
            for made in commits
        ]


@pytest.mark.parametrize("personal", [True, False])
@pytest.mark.parametrize("opener", [Keys(), CLOSED])
def test_sealed_values_are_read_as_ever(personal: bool, opener: Opener) -> None:  # noqa: FBT001
    kept = {"amount": 1, "kind": "a", "note": "erased"}
    sealed = StoredEvent("plain", 2, kept, {"pile:a": "dGV4dA=="})
    view = replace(
        piles,
        codecs={"pile": codec},
        fold=lambda _row, recorded, _key: {"note": recorded.event.note},
        accumulates=False,
        personal=personal,
        keys=lambda recorded: (f"{recorded.aggregate_id}/{recorded.version}",),
    )
    log, head = MemoryLog(), Head()
    for version, event in ((1, sealed), (2, sealed._replace(sealed={})), (3, sealed)):
        block, following = seal(head, [commit(A, version)._replace(events=(event,))])
        log.put_body(block)
        assert log.append(block, head, following, {})
        head = following
    quick = replay(typed(view), Packed(log, opens=personal), lambda _: None, opener=opener)
    assert quick == replay(view, log, lambda _: None, opener=opener)
    told = personal and opener is not CLOSED
    if told or not personal:
        notes = [row.row["note"] for row in quick.rows.values() if row.row]
        assert notes == (["told", "erased", "told"] if told else ["erased"] * 3)
    else:
        assert quick.stopped


def test_a_repair_counts_in_a_quick_replay_too() -> None:
    poison = StoredEvent("added", 7, {})

    class Repairs:
        def of(self, aggregate_id: str, version: int) -> Repair:
            read_as = Correction((StoredEvent("added", 1, {"amount": 5}),), "why", "ann", "bob")
            return Repair({0: read_as}) if (aggregate_id, version) == (A, 2) else Repair()

    log, head = MemoryLog(), Head()
    for version, event in ((1, StoredEvent("added", 1, {"amount": 4})), (2, poison)):
        made: Commit = commit(A, version)._replace(events=(event,))
        block, following = seal(head, [made])
        log.put_body(block)
        assert log.append(block, head, following, {})
        head = following
    quick = replay(typed(piles), Packed(log), lambda _: None, Repairs())
    assert quick == replay(piles, log, lambda _: None, Repairs())
    assert quick.rows[A].row == {"amounts": [4, 5], "version": 2}
    assert A in replay(typed(piles), Packed(log), lambda _: None, NO_REPAIRS).stopped
    assert Added(4) == typed(piles).codecs["pile"].decode(StoredEvent("added", 1, {"amount": 4}))[0]

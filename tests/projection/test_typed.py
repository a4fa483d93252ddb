"""A replay that reads bytes makes what a replay of parsed commits makes, failures and all."""

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.leftfold.archive.epochs import DamagedArchiveError
from chalicelib.leftfold.archive.segments import pack_blocks, unpack_blocks
from chalicelib.leftfold.kernel import Codec, Commit, StoredEvent, UnknownFormatError, View
from chalicelib.leftfold.kernel.repair import NO_REPAIRS, Correction, Repair
from chalicelib.leftfold.projection.replay import replay
from chalicelib.leftfold.projection.typed import (
    typed,
    unpack_blocks_quickly,
    unpack_quickly,
)
from chalicelib.leftfold.store.blocks import pack, seal
from chalicelib.leftfold.store.memory import MemoryLog
from chalicelib.leftfold.store.ports import Block, Head
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

    def __init__(self, log: MemoryLog) -> None:
        super().__init__()
        self.inner = log

    def head(self) -> Head:
        return self.inner.head()

    def blocks(
        self, position: int, limit: int | None = None, heard: Collection[str] | None = None
    ) -> Iterator[Block]:
        for block in self.inner.blocks(position, limit, heard):
            yield block._replace(commits=unpack_quickly(pack(block.commits)))


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
    assert unpack_quickly(pack([made])) == [made]


def test_what_a_newer_engine_wrote_is_told() -> None:
    newer = commit(A)._replace(format=2)
    with pytest.raises(UnknownFormatError):
        unpack_quickly(pack([newer]))


def test_a_segment_is_read_and_proved_as_ever() -> None:
    first, head = seal(Head(), [commit(A), commit(A, 2)])
    second, _ = seal(head, [commit(A, 3)])
    data = pack_blocks([first, second])
    quick = unpack_blocks_quickly(data)
    assert [b._replace(commits=()) for b in quick] == [
        b._replace(commits=()) for b in unpack_blocks(data)
    ]
    assert [c.version for b in quick for c in b.commits] == [1, 2, 3]
    wrong = pack_blocks([first._replace(commits=[commit(A), commit(A, 2, amount=9)])])
    with pytest.raises(DamagedArchiveError, match="position 0 does not match its hash"):
        unpack_blocks_quickly(wrong)
    copied, _ = seal(Head(), [commit(A)._replace(root=("main/pile-b", 1))])
    assert unpack_blocks_quickly(pack_blocks([copied])) == unpack_blocks(pack_blocks([copied]))


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

"""Reads the log quickly, for a replay: a block stays bytes until a view folds it.

msgspec parses all commits of a block in one call, without what no fold needs of them, and makes an
event of its stored body at once. A block that it does not take, or on which the view fails, is read
by the kernel's own code, which alone decides what an event is. So a replay makes the same rows,
only faster (docs/adr/0046).
"""

import dataclasses
import gzip
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, cast, get_args, get_origin, get_type_hints

import msgspec

from chalicelib.leftfold.archive.epochs import lines_of
from chalicelib.leftfold.archive.segments import unpack_blocks
from chalicelib.leftfold.kernel import AggregateId, Codec, Commit, Recorded, Row, StoredEvent, View
from chalicelib.leftfold.kernel.codec import BytesCodec
from chalicelib.leftfold.projection.fold import Body, check_own
from chalicelib.leftfold.projection.rows import KEY_BYTES, NEVER, ROW_BYTES, StoredRow
from chalicelib.leftfold.store.ports import BLOCK_FORMAT, Block

Reader = Callable[[Any], Any]

# Of these types msgspec makes the same values of JSON as the kernel's forms do.
_SAME = (str, int, bool, NoneType)
_parse = msgspec.json.Decoder().decode


class _Event(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    name: str
    version: int
    body: msgspec.Raw
    sealed: dict[str, str] = {}


class _Line(msgspec.Struct, forbid_unknown_fields=True, gc=False, rename="camel"):
    """The line of a commit that is no copy, in the format that this engine writes."""

    format: Literal[1]
    kind: Literal["commit"]
    aggregate_id: str
    sequence_number: int
    events: list[_Event]
    command_id: str
    body_hash: str
    at: str
    actor: str
    authority: str
    correlation_id: str
    traceparent: str
    tags: tuple[str, ...]
    deps: tuple[tuple[str, int], ...]
    epoch: int
    epoch_start: int


class _Part(msgspec.Struct, gc=False):
    """What a fold needs of a stored event. Its body has `erased` in the places of sealed values."""

    name: str
    version: int
    body: msgspec.Raw


class _Heard(msgspec.Struct, gc=False, rename="camel"):
    """What a fold needs of a commit's line, in the format that this engine writes."""

    format: Literal[1]
    kind: Literal["commit", "copy"]
    aggregate_id: str
    sequence_number: int
    at: str
    events: list[_Part]


class _Block(msgspec.Struct, forbid_unknown_fields=True, gc=False, rename="camel"):
    """A block in a segment, with its body as the JSON list of its lines."""

    format: Annotated[int, msgspec.Meta(ge=1, le=BLOCK_FORMAT)]
    first_position: int
    next_position: int
    previous_hash: str
    hash: str
    categories: tuple[str, ...]
    previous_in_lane: list[tuple[int, int]]
    commits: msgspec.Raw


_lines = msgspec.json.Decoder(list[_Line])
_heard = msgspec.json.Decoder(list[_Heard])
_blocks = msgspec.json.Decoder(_Block)


class PackedBody(Body):
    """The body of a block as the JSON list of its lines.

    Where a commit is asked for, the bodies of its events are bytes; they are parsed where
    something is sealed and *opens* says that it will be opened.
    """

    def __init__(self, data: "bytes | msgspec.Raw", count: int, *, opens: bool) -> None:
        self._data, self._count, self._opens = data, count, opens

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice) and index.indices(self._count) == (0, self._count, 1):
            return self
        return self._commits[index]

    def __iter__(self) -> Iterator[Commit]:
        return iter(self._commits)

    @property
    def is_sealed(self) -> bool:
        # Nothing but a member of this name reads so: in a text, the quotes are escaped.
        return b'"sealed":' in bytes(self._data)

    def fold(self, view: View, first: int, rows: dict[str, StoredRow]) -> bool:
        if view.personal and self.is_sealed:
            return False
        try:
            changed = _folded(view, first, _heard.decode(self._data), rows)
        except Exception:  # noqa: BLE001 - a view may raise anything
            return False
        rows.update(changed)
        return True

    @cached_property
    def _commits(self) -> Sequence[Commit]:
        if not (self._opens and self.is_sealed):
            try:
                return [_commit_of(line) for line in _lines.decode(self._data)]
            except msgspec.ValidationError:
                # A copy, or something that a newer engine wrote, which is said there.
                pass
        return [Commit.from_json(members) for members in _parse(self._data)]


def unpack_quickly(packed: bytes, *, opens: bool = False) -> Sequence[Commit]:
    """As `unpack`, as a `PackedBody`."""
    lines = gzip.decompress(packed)
    # No line contains a line break.
    data = b"[%b]" % lines.replace(b"\n", b",")
    return PackedBody(data, 1 + lines.count(b"\n"), opens=opens)


def unpack_blocks_quickly(data: bytes, *, opens: bool = False) -> Sequence[Block]:
    """As `unpack_blocks`, with each body as a `PackedBody`. No block is compared with its hash:
    whoever listed the segment has done so, and the segment has the hash that was listed.
    """
    try:
        return [_block_of(_blocks.decode(line), opens=opens) for line in lines_of(data)]
    except msgspec.ValidationError:
        return unpack_blocks(data)


def typed(view: View) -> View:
    """The view, which also reads events whose bodies are bytes."""
    codecs = {category: _over_bytes(codec) for category, codec in view.codecs.items()}
    return replace(view, codecs=codecs)


def _commit_of(line: _Line) -> Commit:
    return Commit(
        line.aggregate_id,
        line.sequence_number,
        tuple([StoredEvent(e.name, e.version, cast("Any", e.body), e.sealed) for e in line.events]),
        line.command_id,
        line.body_hash,
        line.at,
        line.actor,
        line.authority,
        line.correlation_id,
        line.traceparent,
        line.tags,
        line.deps,
        line.epoch,
        line.epoch_start,
    )


def _block_of(read: _Block, *, opens: bool) -> Block:
    return Block(
        read.first_position,
        read.next_position,
        read.previous_hash,
        read.hash,
        read.categories,
        dict(read.previous_in_lane),
        PackedBody(read.commits, read.next_position - read.first_position, opens=opens),
        read.format,
    )


def _folded(  # noqa: C901 - a call for each event would take as long as what it does
    view: View, first: int, lines: Sequence[_Heard], rows: Mapping[str, StoredRow]
) -> dict[str, StoredRow]:
    """The rows that commits change. Raises anything if the view fails, or may have failed."""
    keys_of, fold, accumulates = view.keys, view.fold, view.accumulates
    ordered, personal = view.order == "ordered", view.personal
    parse, codec_of, new = AggregateId.parse, view.codecs.get, tuple.__new__
    changed: dict[str, Row | None] = {}
    positions: dict[str, int] = {}
    made: list[Row | None] = []
    for position, line in enumerate(lines, first):
        stream, version, at = line.aggregate_id, line.sequence_number, line.at
        tenant, category, _ = parse(stream)
        codec = cast("BytesCodec[Any] | None", codec_of(category))
        if codec is None:
            continue
        own = f"{tenant}/" if ordered else stream
        shown = NEVER.position if personal else position
        touched: dict[str, Row | None] = {}
        for index, stored in enumerate(line.events):
            reader = codec.readers.get((stored.name, stored.version))
            events = (reader(stored.body),) if reader else _decoded(codec, stored)
            for part, event in enumerate(events):
                # Not by its own constructor, which takes twice as long.
                recorded = new(Recorded, (stream, version, index, at, shown, event, part))
                keys = keys_of(recorded)
                if type(keys) is not tuple or len(keys) > 1:
                    keys = dict.fromkeys(keys)
                for key in keys:
                    if not key.startswith(own) or 4 * len(key) > KEY_BYTES:
                        check_own(view, stream, key)
                    if key in changed:
                        former = changed[key]
                    else:
                        found = rows.get(key, NEVER)
                        if position <= found.position:
                            continue
                        former = found.row
                    row = fold(former if accumulates else None, recorded, key)
                    changed[key] = touched[key] = row
        for key in touched:
            positions[key] = position
        made += touched.values()
    if ordered:
        _check(made)
    return {key: new(StoredRow, (changed[key], at, None)) for key, at in positions.items()}


def _decoded(codec: BytesCodec[Any], stored: _Part) -> tuple[Any, ...]:
    return codec.decode(StoredEvent(stored.name, stored.version, cast("Any", stored.body)))


def _check(made: list[Row | None]) -> None:
    """Raises ValueError if a store may refuse one of the rows: not every such row is refused."""
    encode = msgspec.json.encode
    data = encode(made)
    # Texts may be longer in canonical JSON, but never twice as long.
    if 2 * len(data) > ROW_BYTES and any(2 * len(encode(row)) > ROW_BYTES for row in made):
        raise ValueError("a row may be too large")
    if _parse(data) != made:
        raise ValueError("a row may have no form in JSON")


def _over_bytes(codec: Codec[Any]) -> Codec[Any]:
    readers: dict[tuple[str, int], Reader] = {}
    for name, kind in codec.events.items():
        reader = _reader_of(kind)
        if reader is not None:
            readers[name, codec.version(name)] = reader
    return cast("Codec[Any]", BytesCodec(codec, readers, _parse))


def _reader_of(kind: type) -> Reader | None:
    """Makes a *kind* of bytes; None if it has parts that the kernel's forms alone can make."""
    hints = get_type_hints(kind)
    members = dataclasses.fields(kind)
    plain = all(
        _is_same(hints[m.name]) and m.default_factory is dataclasses.MISSING for m in members
    )
    if not plain or hasattr(kind, "__post_init__") or not hasattr(kind, "__dict__"):
        return None
    struct = msgspec.defstruct(
        kind.__name__,
        [
            (m.name, hints[m.name])
            if m.default is dataclasses.MISSING
            else (m.name, hints[m.name], m.default)
            for m in members
        ],
        forbid_unknown_fields=True,
        kw_only=True,
        gc=False,
    )
    decode, as_dict = msgspec.json.Decoder(struct).decode, msgspec.structs.asdict
    new, fill = object.__new__, object.__setattr__

    def read(body: Any) -> Any:
        # As the class's own __init__ does, which is slower.
        made: Any = new(kind)
        fill(made, "__dict__", as_dict(decode(body)))
        return made

    return read


def _is_same(hint: Any) -> bool:
    """Whether msgspec makes the same of JSON as the form of this type."""
    if get_origin(hint) in (Union, UnionType):
        return all(map(_is_same, get_args(hint)))
    if get_origin(hint) is Literal:
        return all(type(value) in (str, int) for value in get_args(hint))
    return hint in _SAME

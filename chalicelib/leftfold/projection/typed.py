"""Reads the log quickly, for a replay: an event's body stays bytes until its class is made of it.

msgspec parses a commit without the bodies of its events, and makes an event of a body at once. What
it does not take is read by the kernel's own code, which alone decides what an event is. So a
replay makes the same rows, only faster.
"""

import dataclasses
import gzip
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import NoneType, UnionType
from typing import Any, Literal, Union, cast, get_args, get_origin, get_type_hints

import msgspec

from chalicelib.leftfold.archive.epochs import DamagedArchiveError, lines_of
from chalicelib.leftfold.archive.segments import unpack_blocks
from chalicelib.leftfold.kernel import Codec, Commit, StoredEvent, View
from chalicelib.leftfold.kernel.codec import BytesCodec
from chalicelib.leftfold.store.blocks import hash_of, unpack
from chalicelib.leftfold.store.ports import Block

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


class _Block(msgspec.Struct, forbid_unknown_fields=True, gc=False, rename="camel"):
    """A block in a segment, in which each commit stands as its line, byte for byte."""

    format: int
    first_position: int
    next_position: int
    previous_hash: str
    hash: str
    categories: tuple[str, ...]
    previous_in_lane: list[tuple[int, int]]
    commits: list[msgspec.Raw]


_lines = msgspec.json.Decoder(_Line)
_blocks = msgspec.json.Decoder(_Block)


def unpack_quickly(packed: bytes) -> Sequence[Commit]:
    """As `unpack`, with bodies of events that may be bytes."""
    try:
        return [_commit_of(line) for line in _lines.decode_lines(gzip.decompress(packed))]
    except msgspec.ValidationError:
        # A copy, or something that a newer engine wrote, which is said there.
        return unpack(packed)


def unpack_blocks_quickly(data: bytes) -> Sequence[Block]:
    """As `unpack_blocks`, with bodies of events that may be bytes."""
    try:
        return [_block_of(_blocks.decode(line)) for line in lines_of(data)]
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


def _block_of(read: _Block) -> Block:
    """A block, if its hash is that of its lines."""
    block = Block(
        read.first_position,
        read.next_position,
        read.previous_hash,
        read.hash,
        read.categories,
        dict(read.previous_in_lane),
        (),
        read.format,
    )
    if hash_of(block, read.commits) != block.hash:
        raise DamagedArchiveError(
            f"the block at position {block.first_position} does not match its hash"
        )
    return block._replace(commits=[_commit_of(_lines.decode(line)) for line in read.commits])


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

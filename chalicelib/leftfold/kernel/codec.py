"""Frozen dataclasses to JSON and back, and the table of stored event names."""

import dataclasses
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Generic, Literal, TypeVar, Union, get_args, get_origin
from typing import get_type_hints as type_hints

from chalicelib.leftfold.kernel.commit import StoredEvent

E = TypeVar("E")
T = TypeVar("T")
Json = dict[str, Any]
Upcast = Callable[[Json], Json]


def to_json(value: Any) -> Any:
    """JSON values of *value*; a field that holds its default None is left out."""
    if dataclasses.is_dataclass(value):
        kind: Any = type(value)
        return {
            name: to_json(held)
            for name, left_out in _fields(kind)
            if (held := getattr(value, name)) is not None or not left_out
        }
    if isinstance(value, tuple | list):
        return [to_json(item) for item in value]
    if isinstance(value, dict):
        return {key: to_json(item) for key, item in value.items()}
    return value


def from_json(kind: type[T], value: Any) -> T:
    """The inverse of `to_json`.

    *kind* is built of dataclasses, tuple[X, ...], dict[str, X], Literal, X | None and
    JSON's own scalars. Raises TypeError for a field that *kind* does not have, or lacks.
    """
    described: Any = kind
    built: T = _reader(described)(value)
    return built


@dataclass(frozen=True)
class Codec(Generic[E]):
    """Stored names of events, and how older versions of them are read.

    *upcasts* maps (name, version) to a function that turns a body of that version
    into one of the next; the current version of a name is one more than its last upcast.
    """

    events: Mapping[str, type[E]]
    upcasts: Mapping[tuple[str, int], Upcast] = field(default_factory=dict)

    def encode(self, event: E) -> StoredEvent:
        """The stored form of *event*, in the current version of its name."""
        name = self._names[type(event)]
        return StoredEvent(name, self._current[name], to_json(event))

    def version(self, name: str) -> int:
        """The version in which events of *name* are stored today."""
        return self._current[name]

    def decode(self, stored: StoredEvent) -> E:
        """The event that *stored* means today.

        Raises `UnknownEvent` for a name or version that this code has never written.
        """
        name, version, body = stored.name, stored.version, stored.body
        current = self._current.get(name)
        if current is None or not 1 <= version <= current:
            raise UnknownEvent(name, version)
        while version < current:
            body, version = self.upcasts[name, version](body), version + 1
        return self._readers[name](body)  # type: ignore[no-any-return]

    def __post_init__(self) -> None:
        current = {
            name: 1 + sum(upcast[0] == name for upcast in self.upcasts) for name in self.events
        }
        missing = {
            (name, version) for name, newest in current.items() for version in range(1, newest)
        } ^ set(self.upcasts)
        if missing:
            raise ValueError(f"upcasts must be dense from version 1: {sorted(missing)}")
        fixed = object.__setattr__
        kinds: Mapping[str, Any] = self.events
        fixed(self, "_current", current)
        fixed(self, "_names", {kind: name for name, kind in self.events.items()})
        fixed(self, "_readers", {name: _reader(kind) for name, kind in kinds.items()})

    _current: dict[str, int] = field(init=False, repr=False, compare=False)
    _names: dict[type, str] = field(init=False, repr=False, compare=False)
    _readers: dict[str, Callable[[Any], Any]] = field(init=False, repr=False, compare=False)


class UnknownEvent(Exception):  # noqa: N818 - it says what was met
    """A stored event that the running code has no name or version for."""

    def __init__(self, name: str, version: int) -> None:
        super().__init__(f"no event {name!r} in version {version}")


@cache
def _fields(kind: type) -> tuple[tuple[str, bool], ...]:
    """Each field, and whether it is left out when it is None."""
    return tuple((f.name, f.default is None) for f in dataclasses.fields(kind))


@cache
def _reader(kind: Any) -> Callable[[Any], Any]:
    """A function that builds a *kind* from JSON; compiled once for each type."""
    if dataclasses.is_dataclass(kind):
        return _dataclass_reader(kind)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is tuple:
        item = _reader(arguments[0])
        return lambda value: tuple(map(item, value))
    if origin is dict:
        held = _reader(arguments[1])
        return lambda value: {key: held(item) for key, item in value.items()}
    if origin in (Union, types.UnionType):
        (inner,) = (a for a in arguments if a is not type(None))
        read = _reader(inner)
        if read is _as_it_is:
            return _as_it_is
        return lambda value: None if value is None else read(value)
    if origin is Literal or kind in (str, int, bool, Any):
        return _as_it_is
    raise TypeError(f"{kind!r} has no JSON form here: use int, str, bool or a dataclass")


def _dataclass_reader(kind: Any) -> Callable[[Any], Any]:
    hints = type_hints(kind)
    nested = {
        name: read for name, _ in _fields(kind) if (read := _reader(hints[name])) is not _as_it_is
    }
    if not nested:
        return lambda value: kind(**value)
    return lambda value: kind(**{k: nested[k](v) if k in nested else v for k, v in value.items()})


def _as_it_is(value: Any) -> Any:
    return value

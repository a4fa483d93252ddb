"""Personal data: which fields of an event hold it, and whose it is.

A context marks a field of an event, or of a dataclass inside of one:

    owner: str = field(metadata=personal("account"))
    notify: str | None = field(default=None, metadata=personal("account", by="source"))

The first is about the subject `account:<key>` with the key of the event's own stream, the second
about the one that the field `source` beside it names. Rules see plain values. The engine encrypts
them by their subject when a commit is written, and a forgotten subject's read `ERASED`.
"""

import dataclasses
import types
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Union, get_args, get_origin, get_type_hints

# What a personal field reads once its subject was forgotten. It is what the body of a stored
# event has in the field's place, too, so it reads so without any key.
ERASED = "erased"

_MARK = "personal"
# The step of a path that stands for every item of a tuple.
EACH = "*"

Path = tuple[str, ...]


class Subject(NamedTuple):
    """Whose data a field holds: the subject `<what>:<id>`.

    The id is the value of the field *by* beside it; without *by* it is the key of the stream.
    """

    what: str
    by: str = ""


class Personal(NamedTuple):
    """A personal field of an event, by its path in the event's body."""

    path: Path
    subject: Subject


def personal(what: str, by: str = "") -> Mapping[str, Subject]:
    """The metadata of a field with personal data of the subject `<what>:<id>` (`Subject`).

    The field is of the type `str` or `str | None`.
    """
    return {_MARK: Subject(what, by)}


def personal_fields(kind: type) -> tuple[Personal, ...]:
    """The personal fields of an event's class, also those in dataclasses and tuples inside of it.

    Raises TypeError for a mark on a field that is no text, in a place that no path leads to, or
    with a *by* that is no field.
    """
    return tuple(_marked(kind, (), ()))


def _marked(kind: Any, path: Path, within: tuple[Any, ...]) -> Iterator[Personal]:
    if dataclasses.is_dataclass(kind) and isinstance(kind, type) and kind not in within:
        hints = get_type_hints(kind)
        names = {field.name for field in dataclasses.fields(kind)}
        for field in dataclasses.fields(kind):
            subject = field.metadata.get(_MARK)
            if subject is None:
                yield from _marked(hints[field.name], (*path, field.name), (*within, kind))
                continue
            where = f"{kind.__qualname__}.{field.name}"
            if hints[field.name] not in (str, str | None):
                raise TypeError(f"{where} is personal: its type must be str or str | None")
            if subject.by and subject.by not in names:
                raise TypeError(f"{where} is of the subject that {subject.by!r} names: no field")
            yield Personal((*path, field.name), subject)
        return
    arguments = [part for part in get_args(kind) if part is not types.NoneType]
    origin = get_origin(kind)
    if origin in (Union, types.UnionType) and len(arguments) == 1:
        yield from _marked(arguments[0], path, within)
    elif origin is tuple and arguments[1:] == [...]:
        yield from _marked(arguments[0], (*path, EACH), within)
    else:
        for part in arguments:
            for found in _marked(part, path, within):
                raise TypeError(
                    f"{'.'.join(found.path)} is personal and inside of {kind}: use a dataclass,"
                    " or a tuple[X, ...] of dataclasses"
                )


def values_at(body: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    """Each place in *body* that *path* leads to, with the object that has the field."""
    step, rest = path[0], path[1:]
    if not rest:
        if isinstance(body, dict) and body.get(step) is not None:
            yield path, body
        return
    if step == EACH:
        for index, item in enumerate(body or ()):
            yield from (((str(index), *found), at) for found, at in values_at(item, rest))
    elif isinstance(body, dict) and body.get(step) is not None:
        yield from (((step, *found), at) for found, at in values_at(body[step], rest))


def with_value(body: Any, path: Path, value: Any) -> Any:
    """*body* with *value* at *path*; only what lies on the path is copied."""
    if not path:
        return value
    if isinstance(body, list):
        index = int(path[0])
        return [*body[:index], with_value(body[index], path[1:], value), *body[index + 1 :]]
    return {**body, path[0]: with_value(body[path[0]], path[1:], value)}

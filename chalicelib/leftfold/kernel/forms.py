"""The JSON form of values: what is written comes back equal, and of the same types.

A type that cannot promise this has no form. `Codec` and `Aggregate` ask for the forms of
their events and their state when they are made, so such a type is found then, and not when
a stream takes its first snapshot.
"""

import dataclasses
import inspect
import json
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import partial
from typing import Any, Literal, NamedTuple, NewType, TypeVar, Union, get_args, get_origin
from typing import get_type_hints as type_hints
from uuid import UUID

from chalicelib.leftfold.kernel.commit import canonical

T = TypeVar("T")
Convert = Callable[[Any], Any]
# The form of a part of the type that is being compiled.
Part = Callable[[Any], "Form"]

_CURES: dict[Any, str] = {
    Any: "name the type that it has",
    object: "name the type that it has",
    float: "use int in the smallest unit, or Decimal",
    list: "use tuple[X, ...]",
    Sequence: "use tuple[X, ...]",
    set: "use frozenset[X]",
    AbstractSet: "use frozenset[X]",
    Mapping: "use dict[K, V]",
    tuple: "say what it holds, as in tuple[int, ...]",
    frozenset: "say what it holds, as in frozenset[int]",
    dict: "say what it holds, as in dict[str, int]",
    bytes: "use str, in hex or base64",
    time: "use int, in seconds, or str",
    timedelta: "use int, in seconds",
    UUID: "use str",
    Union: "use one type, or a dataclass with a Literal that tells the cases apart",
    types.UnionType: "use one type, or a dataclass with a Literal that tells the cases apart",
}
_ANOTHER = (
    "use str, int, bool, Decimal, date, datetime, Enum, Literal, X | None, tuple[...], "
    "frozenset[X], dict[K, V], or a dataclass or NamedTuple of these"
)


class Form(NamedTuple):
    """How values of one type are kept.

    *write* makes JSON of a value, and raises TypeError for one that is not of the type.
    *read* is its inverse. *is_text* says that the JSON is always a string.
    """

    write: Convert
    read: Convert
    is_text: bool = False


def to_json(value: Any) -> Any:
    """JSON values of *value*; a field that holds its default None is left out.

    A dataclass is written as its fields are declared. Raises TypeError for a value that has
    no JSON form, or is not of its field's type.
    """
    kind = type(value)
    if value is None or kind in (str, int, bool, float):
        return value
    if kind in (tuple, list):
        return [to_json(item) for item in value]
    if kind is dict:
        return {_text(to_json(key)): to_json(item) for key, item in value.items()}
    if kind is frozenset:
        return sorted(map(to_json, value), key=canonical)
    return form_of(kind).write(value)


def from_json(kind: type[T], value: Any) -> T:
    """The inverse of `to_json`, but for the order of a dict's items, which JSON does not keep.

    Raises TypeError for a *kind* without a JSON form, and for a field that it does not have,
    or lacks.
    """
    built: T = form_of(kind).read(value)
    return built


def form_of(kind: Any, within: tuple[Any, ...] = ()) -> Form:
    """The form of the type *kind*, which is a part of the types *within*; compiled once.

    Raises TypeError that names the class, the field, the type and the cure where there is none.
    """
    form = _forms.get(kind)
    if form is None:
        if kind in within:
            raise TypeError(
                f"{name_of(kind)} contains itself and so has no JSON form: "
                "keep its parts in a dict, by an id of each"
            )
        form = _forms[kind] = _compiled(kind, partial(form_of, within=(*within, kind)))
    return form


def name_of(kind: Any) -> str:
    """A type as people write it."""
    return kind.__qualname__ if isinstance(kind, type) and not get_args(kind) else str(kind)


def _compiled(kind: Any, part: Part) -> Form:
    origin = get_origin(kind)
    form = None
    if isinstance(kind, NewType):
        form = part(kind.__supertype__)
    elif isinstance(kind, type) and origin is None:
        form = _class_form(kind, part)
    elif origin in _GENERIC and kind not in _UNSAID:
        form = _GENERIC[origin](get_args(kind), part)
    if form is not None:
        return form
    cure = "use a dataclass that is not generic"
    if not dataclasses.is_dataclass(origin):
        cure = _CURES.get(origin or kind, _ANOTHER)
    raise TypeError(f"{name_of(kind)} has no JSON form that comes back as it was: {cure}")


# These have the origin of a type that says what it holds, and say nothing.
_UNSAID = (typing.Tuple, typing.FrozenSet, typing.Dict)  # noqa: UP006


def _class_form(kind: type, part: Part) -> Form | None:
    if issubclass(kind, Enum):
        return _enum_form(kind)
    if dataclasses.is_dataclass(kind):
        return _dataclass_form(kind, part)
    if issubclass(kind, tuple) and "__annotations__" in vars(kind):
        return _namedtuple_form(kind, part)
    return None


def _text(written: Any) -> str:
    """A dict's key from its JSON: a string stays as it is."""
    return written if isinstance(written, str) else canonical(written)


def _as_it_is(value: Any) -> Any:
    return value


def _checked(kind: type) -> Convert:
    """The value, if it is of exactly this type: bool is no int, and datetime no date."""

    def check(value: Any) -> Any:
        if type(value) is not kind:
            raise TypeError(f"{value!r} is not {name_of(kind)}")
        return value

    return check


def _day(value: Any) -> str:
    return _DATE(value).isoformat()  # type: ignore[no-any-return]


def _moment(value: Any) -> str:
    """Every instant has one form: an offset, or the name of a zone, would be lost."""
    if _DATETIME(value).tzinfo is not UTC or value.fold:
        raise TypeError(f"{value!r} is not in UTC: use .astimezone(UTC).replace(fold=0)")
    text: str = value.isoformat()
    return text.removesuffix("+00:00") + "Z"


def _number(value: Any) -> str:
    if not _DECIMAL(value).is_finite():
        raise TypeError(f"{value!r} is not a finite number")
    return str(value)


_DATE, _DATETIME, _DECIMAL = _checked(date), _checked(datetime), _checked(Decimal)
_INT = Form(_checked(int), _as_it_is)
_INT_KEY = Form(lambda key: str(_INT.write(key)), int, is_text=True)

_forms: dict[Any, Form] = {
    str: Form(_checked(str), _as_it_is, is_text=True),
    int: _INT,
    bool: Form(_checked(bool), _as_it_is),
    Decimal: Form(_number, Decimal, is_text=True),
    date: Form(_day, date.fromisoformat, is_text=True),
    datetime: Form(_moment, datetime.fromisoformat, is_text=True),
}


def _key_form(form: Form) -> Form:
    """The form of a dict's key: the text that its form is, or has as canonical JSON."""
    if form.is_text:
        return form
    if form is _INT:
        return _INT_KEY
    write, read = form.write, form.read
    return Form(
        lambda key: canonical(write(key)), lambda text: read(json.loads(text)), is_text=True
    )


def _enum_form(kind: type[Enum]) -> Form:
    """A member is kept as its value, which so is a stored name."""
    held = {type(member.value) for member in kind}
    if held not in ({str}, {int}):
        raise TypeError(
            f"{name_of(kind)} has no JSON form: give its members values, all str or all int"
        )
    check = _checked(kind)
    return Form(lambda member: check(member).value, kind, is_text=held == {str})


def _literal_form(allowed: tuple[Any, ...], _part: Part) -> Form:
    names = ", ".join(map(repr, allowed))
    if not {type(value) for value in allowed} <= {str, int, bool, types.NoneType}:
        raise TypeError(
            f"Literal[{names}] has no JSON form: use str, int and bool in it, or the Enum itself"
        )
    # 1 and True are equal, and are not the same.
    known = {(type(value), value) for value in allowed}

    def write(value: Any) -> Any:
        if (type(value), value) not in known:
            raise TypeError(f"{value!r} is none of {names}")
        return value

    return Form(write, _as_it_is, is_text=all(type(value) is str for value in allowed))


def _optional_form(kinds: tuple[Any, ...], part: Part) -> Form | None:
    present = [kind for kind in kinds if kind is not types.NoneType]
    if len(present) > 1:
        return None
    write, read, _ = part(present[0])
    return Form(
        lambda value: None if value is None else write(value),
        read if read is _as_it_is else lambda value: None if value is None else read(value),
    )


def _tuple_form(kinds: tuple[Any, ...], part: Part) -> Form:
    if kinds[1:] != (...,):
        return _fixed_tuple_form([part(kind) for kind in kinds])
    write, read, _ = part(kinds[0])
    check = _checked(tuple)
    return Form(
        lambda value: [write(held) for held in check(value)],
        tuple if read is _as_it_is else lambda value: tuple(map(read, value)),
    )


def _fixed_tuple_form(items: Sequence[Form]) -> Form:
    writes, reads = [item.write for item in items], [item.read for item in items]
    check = _checked(tuple)

    def converted(converts: Sequence[Convert], value: Any) -> Iterable[Any]:
        if len(value) != len(converts):
            raise TypeError(f"{value!r} has not the {len(converts)} items of its type")
        return (convert(held) for convert, held in zip(converts, value, strict=True))

    return Form(
        lambda value: list(converted(writes, check(value))),
        lambda value: tuple(converted(reads, value)),
    )


def _frozenset_form(kinds: tuple[Any, ...], part: Part) -> Form:
    """A list in one order only, so that equal sets are equal JSON."""
    write, read, _ = part(kinds[0])
    check = _checked(frozenset)
    return Form(
        lambda value: sorted(map(write, check(value)), key=canonical),
        lambda value: frozenset(map(read, value)),
    )


def _dict_form(kinds: tuple[Any, ...], part: Part) -> Form:
    write_key, read_key, _ = _key_form(part(kinds[0]))
    write, read, _ = part(kinds[1])
    check = _checked(dict)
    build: Convert = dict
    if read_key is not _as_it_is:
        build = lambda value: {read_key(k): read(v) for k, v in value.items()}  # noqa: E731
    elif read is not _as_it_is:
        build = lambda value: {k: read(v) for k, v in value.items()}  # noqa: E731
    return Form(
        lambda value: {write_key(k): write(v) for k, v in check(value).items()},
        build,
    )


_GENERIC: dict[Any, Callable[[tuple[Any, ...], Part], Form | None]] = {
    Literal: _literal_form,
    Union: _optional_form,
    types.UnionType: _optional_form,
    tuple: _tuple_form,
    frozenset: _frozenset_form,
    dict: _dict_form,
}


def _namedtuple_form(kind: Any, part: Part) -> Form:
    defaults = kind._field_defaults
    return _object_form(kind, {name: defaults.get(name, ...) for name in kind._fields}, part)


def _dataclass_form(kind: Any, part: Part) -> Form:
    defaults = {field.name: field.default for field in dataclasses.fields(kind)}
    if inspect.signature(kind).parameters.keys() != defaults.keys():
        raise TypeError(
            f"{name_of(kind)} has no JSON form: it is not built of its fields alone, "
            "so leave out InitVar, init=False and an __init__ of its own"
        )
    return _object_form(kind, defaults, part)


def _object_form(kind: Any, defaults: Mapping[str, Any], part: Part) -> Form:
    """An object by the fields' names; *defaults* has one, or another mark, for each field."""
    forms = _field_forms(kind, defaults, part)
    writes = [(name, form.write, defaults[name] is None) for name, form in forms.items()]
    reads = [(name, form.read) for name, form in forms.items() if form.read is not _as_it_is]
    check = _checked(kind)

    def write(value: Any) -> Any:
        check(value)
        written = {}
        name = ""
        try:
            for name, convert, left_out in writes:
                held = getattr(value, name)
                if held is not None or not left_out:
                    written[name] = convert(held)
        except TypeError as error:
            raise TypeError(f"{name_of(kind)}.{name}: {error}") from error
        return written

    def read(value: Any) -> Any:
        held = dict(value)
        for name, convert in reads:
            if name in held:
                held[name] = convert(held[name])
        return kind(**held)

    return Form(write, read if reads else lambda value: kind(**value))


def _field_forms(kind: Any, names: Iterable[str], part: Part) -> dict[str, Form]:
    try:
        hints = type_hints(kind)
    except NameError as error:
        raise TypeError(
            f"{name_of(kind)} has no JSON form: {error}; its types must be there when it runs, "
            "so import them without TYPE_CHECKING, and define them outside of functions"
        ) from error
    forms: dict[str, Form] = {}
    for name in names:
        try:
            forms[name] = part(hints[name])
        except TypeError as error:
            raise TypeError(f"{name_of(kind)}.{name}: {error}") from error
    return forms

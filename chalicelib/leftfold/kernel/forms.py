"""The JSON form of values: a value that is written comes back equal, and of the same types.

A type whose values would not come back so has no form. `Codec` and `Aggregate` compile the
forms of their events and their state when they are made. So a type without a form is an error
when the process starts, and not when a stream takes its first snapshot.
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

from chalicelib.leftfold.kernel.commit import canonical

T = TypeVar("T")
Convert = Callable[[Any], Any]
# Gives the form of a type that is a part of the type being compiled.
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
    tuple: "name the types of its items, as in tuple[int, ...]",
    frozenset: "name the type of its items, as in frozenset[int]",
    dict: "name the types of its keys and values, as in dict[str, int]",
    bytes: "use str, in hex or base64",
    time: "use int, in seconds, or str",
    timedelta: "use int, in seconds",
    Union: "use one type, or a dataclass with a Literal that names the case",
    types.UnionType: "use one type, or a dataclass with a Literal that names the case",
}
_ANOTHER = (
    "use str, int, bool, Decimal, date, datetime, Enum, Literal, X | None, tuple[...], "
    "frozenset[X], dict[K, V], or a dataclass or NamedTuple of these"
)


class Form(NamedTuple):
    """The JSON form of one type.

    *write* makes JSON of a value. It raises TypeError for a value of another type. *read* is
    the inverse of *write*. *is_text* says that the JSON is always a string.
    """

    write: Convert
    read: Convert
    is_text: bool = False


def to_json(value: Any) -> Any:
    """The JSON of *value*. A field that is None, and None by default, is left out.

    A dataclass is written by the types of its fields. Raises TypeError for a value that has
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
    """The inverse of `to_json`, except for the order of a dict's items: JSON does not keep it.

    Raises TypeError for a *kind* without a JSON form, and for JSON with a field too many or
    too few.
    """
    built: T = form_of(kind).read(value)
    return built


def form_of(kind: Any, within: tuple[Any, ...] = ()) -> Form:
    """The form of the type *kind*; compiled once. *kind* is a part of each of the types *within*.

    Raises TypeError if there is none. The error names the class, the field, the type and a cure.
    """
    form = _forms.get(kind)
    if form is None:
        if kind in within:
            raise TypeError(
                f"{name_of(kind)} contains itself and so has no JSON form: "
                "store its parts in a dict, each under an id"
            )
        form = _forms[kind] = _compiled(kind, partial(form_of, within=(*within, kind)))
    return form


def name_of(kind: Any) -> str:
    """The type's name, as it is written in code."""
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
        # A UUID by its name: to import `uuid` takes as long as a context.
        cure = "use str" if name_of(kind) == "UUID" else _CURES.get(origin or kind, _ANOTHER)
    raise TypeError(f"{name_of(kind)} has no JSON form that comes back equal: {cure}")


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
    """A dict's key from its JSON: a string as it is, all else as canonical JSON."""
    return written if isinstance(written, str) else canonical(written)


def _as_it_is(value: Any) -> Any:
    return value


def _checked(kind: type) -> Convert:
    """Checks that a value is of exactly this type: a bool is no int, and a datetime no date."""

    def check(value: Any) -> Any:
        if type(value) is not kind:
            raise TypeError(f"{value!r} is not {name_of(kind)}")
        return value

    return check


def _day(value: Any) -> str:
    return _DATE(value).isoformat()  # type: ignore[no-any-return]


def _instant(value: Any) -> str:
    """Only UTC is written, because an offset or the name of a zone would be lost."""
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
    datetime: Form(_instant, datetime.fromisoformat, is_text=True),
}


def _key_form(form: Form) -> Form:
    """The form of a dict's key. JSON that is no string becomes canonical JSON in a string."""
    if form.is_text:
        return form
    if form is _INT:
        return _INT_KEY
    write, read = form.write, form.read
    return Form(
        lambda key: canonical(write(key)), lambda text: read(json.loads(text)), is_text=True
    )


def _enum_form(kind: type[Enum]) -> Form:
    """A member is written as its value, which therefore is a stored name."""
    value_types = {type(member.value) for member in kind}
    if value_types not in ({str}, {int}):
        raise TypeError(
            f"{name_of(kind)} has no JSON form: give its members values, all str or all int"
        )
    check = _checked(kind)
    return Form(lambda member: check(member).value, kind, is_text=value_types == {str})


def _literal_form(allowed: tuple[Any, ...], _part: Part) -> Form:
    names = ", ".join(map(repr, allowed))
    if not {type(value) for value in allowed} <= {str, int, bool, types.NoneType}:
        raise TypeError(
            f"Literal[{names}] has no JSON form: use str, int and bool in it, or the Enum itself"
        )
    # 1 and True are equal, but they are not the same JSON.
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
        lambda value: [write(item) for item in check(value)],
        tuple if read is _as_it_is else lambda value: tuple(map(read, value)),
    )


def _fixed_tuple_form(items: Sequence[Form]) -> Form:
    writes, reads = [item.write for item in items], [item.read for item in items]
    check = _checked(tuple)

    def converted(converts: Sequence[Convert], value: Any) -> Iterable[Any]:
        if len(value) != len(converts):
            raise TypeError(f"{value!r} does not have the {len(converts)} items of its type")
        return (convert(item) for convert, item in zip(converts, value, strict=True))

    return Form(
        lambda value: list(converted(writes, check(value))),
        lambda value: tuple(converted(reads, value)),
    )


def _frozenset_form(kinds: tuple[Any, ...], part: Part) -> Form:
    """A set is written as a sorted list, so that equal sets have equal JSON."""
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
            f"{name_of(kind)} has no JSON form: it is not built from its fields alone; "
            "leave out InitVar, init=False and an __init__ of its own"
        )
    return _object_form(kind, defaults, part)


def _object_form(kind: Any, defaults: Mapping[str, Any], part: Part) -> Form:
    """An object by its fields' names. *defaults* has a default, or a sentinel, for each field."""
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
                content = getattr(value, name)
                if content is not None or not left_out:
                    written[name] = convert(content)
        except TypeError as error:
            raise TypeError(f"{name_of(kind)}.{name}: {error}") from error
        return written

    def read(value: Any) -> Any:
        fields = dict(value)
        for name, convert in reads:
            if name in fields:
                fields[name] = convert(fields[name])
        return kind(**fields)

    return Form(write, read if reads else lambda value: kind(**value))


def _field_forms(kind: Any, names: Iterable[str], part: Part) -> dict[str, Form]:
    try:
        hints = type_hints(kind)
    except NameError as error:
        raise TypeError(
            f"{name_of(kind)} has no JSON form: {error}; its types must exist at run time, "
            "so import them without TYPE_CHECKING, and define them outside of functions"
        ) from error
    forms: dict[str, Form] = {}
    for name in names:
        try:
            forms[name] = part(hints[name])
        except TypeError as error:
            raise TypeError(f"{name_of(kind)}.{name}: {error}") from error
    return forms

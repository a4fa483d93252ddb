"""What has a JSON form comes back as it was; what has none is refused before it is used."""

import json
import typing
from collections.abc import Mapping, Sequence
from dataclasses import InitVar, dataclass, field, make_dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum, IntFlag, StrEnum
from typing import Any, Generic, Literal, NamedTuple, NewType, Optional, TypeVar
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.leftfold.kernel import Aggregate, Codec, Decider, from_json, to_json
from chalicelib.leftfold.kernel.commit import canonical
from tests.survival import same, stored

T = TypeVar("T")
AccountKey = NewType("AccountKey", str)


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Size(StrEnum):
    S = "s"
    M = "m"


class Grade(IntEnum):
    ONE = 1
    TWO = 2


class Right(IntFlag):
    READ = 1
    WRITE = 2


class Mixed(Enum):
    A = "a"
    B = 2


class Nothing(Enum):
    A = object()


class Money(NamedTuple):
    minor: int
    currency: str


class Point(NamedTuple):
    x: int
    y: Decimal = Decimal(0)
    label: str | None = None


@dataclass(frozen=True)
class Line:
    text: str
    amount: int | None = None


@dataclass(frozen=True)
class Numbered(Line):
    number: int = 0


@dataclass(frozen=True, kw_only=True)
class Named:
    name: AccountKey
    line: "Line"
    day: Optional[date] = None  # noqa: UP045 - the older way of writing it


@dataclass(frozen=True)
class Box(Generic[T]):
    found: T


@dataclass(frozen=True)
class Tree:
    below: "tuple[Tree, ...]"


@dataclass(frozen=True)
class Started:
    amount: InitVar[int]


@dataclass(frozen=True)
class Derived:
    amount: int
    double: int = field(init=False, default=0)


@dataclass(eq=False)
class Itself:
    amount: int = 0


# Types without parts; text and numbers at the edges are what Hypothesis is good at.
SCALARS: dict[Any, st.SearchStrategy[Any]] = {
    str: st.text(st.characters(exclude_categories=["Cs"]), max_size=4),
    int: st.integers(),
    bool: st.booleans(),
    Decimal: st.decimals(allow_nan=False, allow_infinity=False),
    date: st.dates(),
    datetime: st.datetimes(timezones=st.just(UTC)).map(lambda at: at.replace(fold=0)),
    Colour: st.sampled_from(Colour),
    Size: st.sampled_from(Size),
    Grade: st.sampled_from(Grade),
    Right: st.sampled_from([Right(0), Right.READ, Right.READ | Right.WRITE]),
    AccountKey: st.text(st.characters(exclude_categories=["Cs"]), max_size=4),
    Literal["a", "b"]: st.sampled_from(["a", "b"]),
    Literal[1, True, "1"]: st.sampled_from([1, True, "1"]),
}
NESTED: dict[Any, st.SearchStrategy[Any]] = {
    Money: st.builds(Money, st.integers(), SCALARS[str]),
    Point: st.builds(Point, st.integers(), SCALARS[Decimal], st.none() | SCALARS[str]),
    Line: st.builds(Line, SCALARS[str], st.none() | st.integers()),
    Numbered: st.builds(Numbered, SCALARS[str], st.none() | st.integers(), st.integers()),
}
Case = tuple[Any, st.SearchStrategy[Any]]


def containers(parts: st.SearchStrategy[Case]) -> st.SearchStrategy[Case]:
    """Types made of others, each with its values."""

    def optional(part: Case) -> Case:
        return part[0] | None, st.none() | part[1]

    def tuples(part: Case) -> Case:
        return tuple.__class_getitem__((part[0], ...)), st.lists(part[1], max_size=3).map(tuple)

    def fixed(two: tuple[Case, Case]) -> Case:
        (one, ones), (other, others) = two
        return tuple.__class_getitem__((one, other)), st.tuples(ones, others)

    def sets(part: Case) -> Case:
        return frozenset.__class_getitem__(part[0]), st.frozensets(part[1], max_size=3)

    def dicts(two: tuple[Case, Case]) -> Case:
        (key, keys), (found, values) = two
        made = dict.__class_getitem__((key, found))
        return made, st.dictionaries(keys, values, max_size=3)

    hashable = st.sampled_from([*SCALARS.items(), *NESTED.items()])
    keys = st.one_of(hashable, st.tuples(hashable, hashable).map(fixed))
    return st.one_of(
        parts.map(optional),
        parts.map(tuples),
        st.tuples(parts, parts).map(fixed),
        keys.map(sets),
        st.tuples(keys, parts).map(dicts),
    )


cases = st.recursive(st.sampled_from([*SCALARS.items(), *NESTED.items()]), containers, max_leaves=4)


@given(st.data())
def test_whatever_has_a_form_comes_back_equal_and_of_the_same_types(data: st.DataObject) -> None:
    parts = data.draw(st.lists(cases, max_size=3))
    names = [f"field_{number}" for number in range(len(parts))]
    kind = make_dataclass(
        "Made", [(name, part) for name, (part, _) in zip(names, parts, strict=True)], frozen=True
    )
    value = kind(*(data.draw(values) for _, values in parts))

    found = stored(to_json(value))

    assert same(from_json(kind, found), value)
    assert canonical(to_json(from_json(kind, found))) == canonical(to_json(value))


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (date(2026, 1, 31), "2026-01-31"),
        (datetime(2026, 1, 31, 12, 0, 0, 5, tzinfo=UTC), "2026-01-31T12:00:00.000005Z"),
        (Decimal("1.00"), "1.00"),
        (Colour.RED, "red"),
        (Grade.TWO, 2),
        (frozenset({"b", "a"}), ["a", "b"]),
        (Money(5, "CZK"), {"minor": 5, "currency": "CZK"}),
        (Point(1), {"x": 1, "y": "0"}),
        ({2: "b", 10: "a"}, {"2": "b", "10": "a"}),
        ({(1, "x"): 2}, {'[1,"x"]': 2}),
        ({Colour.RED: 1, Colour.BLUE: 2}, {"red": 1, "blue": 2}),
    ],
)
def test_a_form_is_what_people_would_write(value: Any, found: Any) -> None:
    assert to_json(value) == found


def test_a_field_is_found_where_its_class_inherits_it_or_names_it_later() -> None:
    value = Named(name=AccountKey("a"), line=Line("x"))
    assert same(from_json(Named, stored(to_json(value))), value)


@pytest.mark.parametrize(
    ("kind", "cure"),
    [
        (float, "int in the smallest unit, or Decimal"),
        (list[int], "tuple[X, ...]"),
        (Sequence[int], "tuple[X, ...]"),
        (set[int], "frozenset[X]"),
        (Mapping[str, int], "dict[K, V]"),
        (dict, "dict[str, int]"),
        (tuple, "tuple[int, ...]"),
        (dict[str, float], "int in the smallest unit"),
        (dict[float, str], "int in the smallest unit"),
        (tuple[str, list[int]], "tuple[X, ...]"),
        (int | str, "a Literal that names the case"),
        (int | str | None, "a Literal that names the case"),
        (Line | Numbered, "a Literal that names the case"),
        (bytes, "str, in hex or base64"),
        (timedelta, "int, in seconds"),
        (UUID, "use str"),
        (Any, "name the type"),
        (object, "name the type"),
        (Literal[Colour.RED], "the Enum itself"),
        (Mixed, "all str or all int"),
        (Nothing, "all str or all int"),
        (Box[int], "not generic"),
        (Box, "Box.found"),
        (Tree, "contains itself"),
        (Started, "fields alone"),
        (Derived, "fields alone"),
        (typing.Tuple, "tuple[int, ...]"),  # noqa: UP006 - that is the point
        (typing.FrozenSet, "frozenset[int]"),  # noqa: UP006
        (typing.Dict, "dict[str, int]"),  # noqa: UP006
        (complex, "a dataclass or NamedTuple"),
    ],
)
def test_a_type_without_a_form_is_refused_where_it_is_defined(kind: Any, cure: str) -> None:
    """Both an event and a state: with the class, the field, and what to do."""
    seat = make_dataclass("Seat", [("number", int, 0), ("sold", kind, None)], frozen=True)
    expected = r"Seat\.sold: .*no JSON form.*"
    with pytest.raises(TypeError, match=f"the event 'sold': {expected}") as reported:
        Codec({"sold": seat})
    assert cure in str(reported.value)
    with pytest.raises(TypeError, match=f"the state of 'seat': {expected}") as reported:
        aggregate(seat())
    assert cure in str(reported.value)


def aggregate(initial: Any, evolve: Any = lambda state, _event: state) -> Aggregate:
    """An aggregate without commands."""
    decider: Decider[Any, Any, Any] = Decider(lambda _command, _state: [], evolve, initial)
    return Aggregate("seat", decider, Codec({}))


@pytest.mark.parametrize("initial", [None, {}, (), frozenset(), 1.5, {"a": 1}])
def test_a_state_is_of_a_class_that_says_what_it_holds(initial: Any) -> None:
    with pytest.raises(TypeError, match=r"the state of 'seat': .* has no JSON form"):
        aggregate(initial)


def either(state: Any, _event: Any) -> Line | Numbered:
    return state  # type: ignore[no-any-return]


def wider(state: Any, _event: Any) -> Line:
    return state  # type: ignore[no-any-return]


def test_a_state_of_several_classes_is_refused_for_a_snapshot_has_only_the_first() -> None:
    for evolve in (either, wider):
        with pytest.raises(TypeError, match="the initial state is Numbered: use one dataclass"):
            aggregate(Numbered("x"), evolve)
    aggregate(Line("x"), wider)


def test_a_state_that_does_not_compare_its_fields_is_refused() -> None:
    with pytest.raises(TypeError, match="Itself does not come back equal"):
        aggregate(Itself())


def test_an_event_is_a_dataclass() -> None:
    with pytest.raises(TypeError, match="the event 'counted': int is no dataclass"):
        Codec({"counted": int})


@pytest.mark.parametrize("category", ["", "two-words", "main/seat"])
def test_a_category_that_no_aggregate_id_can_have_is_refused(category: str) -> None:
    decider: Decider[Any, Any, Any] = Decider(lambda _c, _s: [], lambda s, _e: s, Line("x"))
    with pytest.raises(ValueError, match="neither hyphen nor slash"):
        Aggregate(category, decider, Codec({}))


def test_types_that_only_a_type_checker_sees_are_refused() -> None:
    @dataclass(frozen=True)
    class Local:
        found: "Unheard"  # type: ignore[name-defined] # noqa: F821 - that is the point

    with pytest.raises(TypeError, match="Local has no JSON form: name 'Unheard' is not defined"):
        Codec({"local": Local})


@dataclass(frozen=True)
class Held:
    """A field of every kind that has to be told from a similar one."""

    count: int = 0
    day: date = date(2026, 1, 1)
    at: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    price: Decimal = Decimal(0)
    lines: tuple[Line, ...] = ()
    pair: tuple[int, str] = (0, "")
    tags: frozenset[str] = frozenset()
    sizes: dict[Size, int] = field(default_factory=dict)
    colour: Colour = Colour.RED
    kind: Literal["a", 1] = "a"
    text: str = ""


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("count", True),
        ("count", Grade.ONE),
        ("count", 1.0),
        ("count", None),
        ("text", Size.S),
        ("text", 1),
        ("day", datetime(2026, 1, 1, tzinfo=UTC)),
        ("day", "2026-01-01"),
        ("at", date(2026, 1, 1)),
        ("at", datetime(2026, 1, 1)),  # noqa: DTZ001 - that is the point
        ("at", datetime(2026, 1, 1, tzinfo=UTC, fold=1)),
        ("at", datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=1)))),
        ("price", 1),
        ("price", Decimal("NaN")),
        ("price", Decimal("Infinity")),
        ("lines", [Line("x")]),
        ("lines", (Numbered("x"),)),
        ("lines", (Line(1),)),  # type: ignore[arg-type]
        ("pair", (1, "a", "b")),
        ("tags", {"a"}),
        ("sizes", {"s": 1}),
        ("colour", "red"),
        ("kind", True),
        ("kind", "b"),
    ],
)
def test_a_value_that_is_not_of_its_fields_type_is_not_written(name: str, value: Any) -> None:
    """It would come back as another, or not at all."""
    codec: Codec[Held] = Codec({"held": Held})
    with pytest.raises(TypeError, match=rf"Held\.{name}: "):
        codec.encode(Held(**{name: value}))
    with pytest.raises(TypeError, match=rf"Held\.{name}: "):
        aggregate(Held(**{name: value}))


def test_a_fixed_tuple_of_another_length_is_not_read() -> None:
    with pytest.raises(TypeError, match="2 items"):
        from_json(tuple[int, str], [1, "a", "b"])


def test_facts_of_a_refusal_are_json_or_have_a_form() -> None:
    facts = {"since": date(2026, 1, 1), "rest": Decimal("1.0"), "by": {1: (Grade.ONE, 1.5, None)}}
    assert json.loads(canonical(to_json(facts))) == {
        "since": "2026-01-01",
        "rest": "1.0",
        "by": {"1": [1, 1.5, None]},
    }
    with pytest.raises(TypeError, match="object has no JSON form"):
        to_json({"what": object()})

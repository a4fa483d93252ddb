"""Which fields of events are personal, and what is no place for personal data."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from chalicelib.leftfold.kernel import Codec, StoredEvent, personal
from chalicelib.leftfold.kernel.codec import SealedError
from chalicelib.leftfold.kernel.personal import (
    Personal,
    Subject,
    personal_fields,
    values_at,
    with_value,
)


@dataclass(frozen=True)
class Line:
    amount: int
    memo: str | None = field(default=None, metadata=personal("person", by="payer"))
    payer: str = ""


@dataclass(frozen=True)
class Paid:
    name: str = field(metadata=personal("person"))
    lines: tuple[Line, ...] = ()
    first: Line | None = None


def test_fields_are_found_in_dataclasses_and_tuples() -> None:
    payer = Subject("person", "payer")
    assert personal_fields(Paid) == (
        Personal(("name",), Subject("person")),
        Personal(("lines", "*", "memo"), payer),
        Personal(("first", "memo"), payer),
    )


def test_a_path_leads_to_each_place_that_has_a_value() -> None:
    body: dict[str, Any] = {
        "lines": [{"amount": 1}, {"amount": 2, "memo": "m", "payer": "p"}],
        "first": None,
    }
    assert list(values_at(body, ("lines", "*", "memo"))) == [
        (("lines", "1", "memo"), body["lines"][1])
    ]
    assert list(values_at(body, ("first", "memo"))) == []


def test_a_value_is_put_into_a_copy() -> None:
    body = {"lines": [{"memo": "a"}, {"memo": "b"}], "x": 1}
    assert with_value(body, ("lines", "1", "memo"), "c") == {
        "lines": [{"memo": "a"}, {"memo": "c"}],
        "x": 1,
    }
    assert body["lines"] == [{"memo": "a"}, {"memo": "b"}]


@dataclass(frozen=True)
class Number:
    amount: int = field(metadata=personal("person"))


@dataclass(frozen=True)
class Hidden:
    by_name: dict[str, Line]


@dataclass(frozen=True)
class Nobody:
    name: str = field(metadata=personal("person", by="owner"))


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        (Number, "Number.amount is personal: its type must be str"),
        (Hidden, "by_name.memo is personal and inside of"),
        (Nobody, "the subject that 'owner' names: no field"),
    ],
)
def test_a_mark_where_no_engine_can_seal_is_an_error_at_the_start(kind: type, says: str) -> None:
    with pytest.raises(TypeError, match=says):
        Codec({"e": kind})


def test_a_sealed_event_is_never_decoded_as_if_it_were_forgotten() -> None:
    with pytest.raises(SealedError, match="sealed data of person:a"):
        Codec({"paid": Paid}).decode(StoredEvent("paid", 1, {"name": "erased"}, {"person:a": "x"}))

"""Storage formats: round trips, upcasts, and what was never written."""

from dataclasses import dataclass
from typing import Literal

import pytest

from chalicelib.leftfold.kernel import Codec, StoredEvent, from_json, to_json
from chalicelib.leftfold.kernel.codec import UnknownEvent


@dataclass(frozen=True)
class Line:
    text: str
    amount: int | None = None


@dataclass(frozen=True)
class Written:
    lines: tuple[Line, ...]
    kind: Literal["a", "b"]
    sums: dict[str, int]
    note: str | None = None


codec: Codec[Written] = Codec(
    {"written": Written},
    upcasts={
        ("written", 1): lambda body: {"lines": [{"text": t} for t in body["texts"]]},
        ("written", 2): lambda body: {**body, "kind": "a", "sums": {}},
    },
)


def test_nested_values_survive_storage() -> None:
    event = Written((Line("x", 1), Line("y")), "b", {"k": 2}, "n")
    assert codec.decode(codec.encode(event)) == event


def test_what_is_none_is_not_stored() -> None:
    assert to_json(Line("x")) == {"text": "x"}


def test_an_event_is_stored_in_the_newest_version_of_its_name() -> None:
    assert codec.encode(Written((), "a", {}))[:2] == ("written", 3)


@pytest.mark.parametrize(
    ("version", "body"),
    [
        (1, {"texts": ["x"]}),
        (2, {"lines": [{"text": "x"}]}),
        (3, {"lines": [{"text": "x"}], "kind": "a", "sums": {}}),
    ],
)
def test_every_older_version_still_reads(version: int, body: dict[str, object]) -> None:
    assert codec.decode(StoredEvent("written", version, body)) == Written((Line("x"),), "a", {})


@pytest.mark.parametrize(("name", "version"), [("written", 4), ("written", 0), ("other", 1)])
def test_what_this_code_has_never_written_is_told_apart(name: str, version: int) -> None:
    with pytest.raises(UnknownEvent):
        codec.decode(StoredEvent(name, version, {}))


def test_a_field_that_is_not_known_is_not_passed_over() -> None:
    with pytest.raises(TypeError):
        from_json(Line, {"text": "x", "other": 1})


def test_a_gap_in_the_upcasts_is_found_when_the_codec_is_made() -> None:
    with pytest.raises(ValueError, match="dense"):
        Codec({"written": Written}, upcasts={("written", 2): dict})
    with pytest.raises(ValueError, match="dense"):
        Codec({"written": Written}, upcasts={("never", 1): dict})


def test_a_type_without_a_json_form_is_refused() -> None:
    with pytest.raises(TypeError, match="no JSON form"):
        from_json(float, 1.5)

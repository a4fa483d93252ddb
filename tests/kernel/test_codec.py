"""Storage formats: round trips, upcasts, and what was never written."""

from dataclasses import dataclass
from typing import Any, Literal

import pytest

from chalicelib.leftfold.kernel import (
    Codec,
    StoredEvent,
    dropped,
    from_json,
    renamed,
    to_json,
    unchanged,
)
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
    assert codec.decode(codec.encode(event)) == (event,)


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
    assert codec.decode(StoredEvent("written", version, body)) == (Written((Line("x"),), "a", {}),)


@pytest.mark.parametrize(("name", "version"), [("written", 4), ("written", 0), ("other", 1)])
def test_what_this_code_has_never_written_is_told_apart(name: str, version: int) -> None:
    with pytest.raises(UnknownEvent):
        codec.decode(StoredEvent(name, version, {}))


def test_a_field_that_is_not_known_is_not_passed_over() -> None:
    with pytest.raises(TypeError):
        from_json(Line, {"text": "x", "other": 1})


@dataclass(frozen=True)
class Opened:
    owner: str
    limit: int = 0


@dataclass(frozen=True)
class Limited:
    limit: int


# What has happened to a table of events in its life.
changed: Codec[Any] = Codec(
    {"opened": Opened, "limited": Limited},
    upcasts={
        # An opening had a limit once, which then became an event of its own.
        ("opened", 1): lambda body: (
            StoredEvent("opened", 2, {"owner": body["owner"]}),
            StoredEvent("limit-set", 1, {"limit": body["limit"]}),
        ),
        ("opened", 2): unchanged,
        ("limit-set", 1): lambda body: {"limit": 100 * body["limit"]},
        ("limit-set", 2): renamed("limited"),
        ("pinged", 1): dropped,
        ("lost", 1): unchanged,
    },
)


@pytest.mark.parametrize(
    ("stored", "read"),
    [
        (("opened", 1, {"owner": "Ada", "limit": 3}), (Opened("Ada"), Limited(300))),
        (("opened", 2, {"owner": "Ada"}), (Opened("Ada"),)),
        (("opened", 3, {"owner": "Ada", "limit": 5}), (Opened("Ada", 5),)),
        (("limit-set", 1, {"limit": 3}), (Limited(300),)),
        (("limit-set", 2, {"limit": 3}), (Limited(3),)),
        (("pinged", 1, {}), ()),
    ],
)
def test_an_event_is_read_as_several_as_another_or_as_none(
    stored: tuple[str, int, dict[str, Any]], read: tuple[Any, ...]
) -> None:
    assert changed.decode(StoredEvent(*stored)) == read


def test_a_retired_name_is_read_and_never_written() -> None:
    assert changed.versions() == {
        "opened": 3,
        "limited": 1,
        "limit-set": 2,
        "pinged": 1,
        "lost": 1,
    }
    written = {changed.encode(event)[:2] for event in (Opened("Ada"), Limited(1))}
    assert written == {("opened", 3), ("limited", 1)}


def test_a_retired_name_whose_upcasts_lead_nowhere_is_unknown() -> None:
    with pytest.raises(UnknownEvent, match="'lost' in version 2"):
        changed.decode(StoredEvent("lost", 1, {}))


# What the release after the next one will write: a third field, and an event of a new name.
early: Codec[Any] = Codec(
    {"opened": Opened, "limited": Limited},
    upcasts={("opened", 1): unchanged},
    ahead={
        ("opened", 3): lambda body: {k: v for k, v in body.items() if k != "branch"},
        ("opened", 4): lambda body: {**body, "branch": body["branch"][0]},
        ("raised", 1): renamed("limited"),
    },
)


@pytest.mark.parametrize(
    ("stored", "read"),
    [
        (("opened", 2, {"owner": "Ada"}), (Opened("Ada"),)),
        (("opened", 3, {"owner": "Ada", "branch": "Brno"}), (Opened("Ada"),)),
        (("opened", 4, {"owner": "Ada", "branch": ["Brno"]}), (Opened("Ada"),)),
        (("raised", 1, {"limit": 3}), (Limited(3),)),
    ],
)
def test_what_a_later_release_writes_is_read_ahead_with_the_types_of_today(
    stored: tuple[str, int, dict[str, Any]], read: tuple[Any, ...]
) -> None:
    assert early.decode(StoredEvent(*stored)) == read


def test_what_is_read_ahead_is_not_written() -> None:
    assert early.encode(Opened("Ada"))[:2] == ("opened", 2)
    assert early.writes() == {"opened": 2, "limited": 1}
    assert early.reads() == {"opened": 4, "limited": 1, "raised": 1}
    with pytest.raises(UnknownEvent, match="'opened' in version 5"):
        early.decode(StoredEvent("opened", 5, {}))


@pytest.mark.parametrize("version", [0, 1, 2, 4])
def test_what_is_read_ahead_follows_the_newest_version_without_a_gap(version: int) -> None:
    with pytest.raises(ValueError, match="ahead must follow the newest version"):
        Codec(
            {"opened": Opened},
            upcasts={("opened", 1): unchanged},
            ahead={("opened", version): unchanged},
        )


def test_a_class_has_one_stored_name() -> None:
    with pytest.raises(ValueError, match=r"'(b|a)' and '(a|b)' both name Line"):
        Codec({"a": Line, "b": Line})


def test_a_gap_in_the_upcasts_is_found_when_the_codec_is_made() -> None:
    with pytest.raises(ValueError, match="dense"):
        Codec({"written": Written}, upcasts={("written", 2): dict})
    with pytest.raises(ValueError, match="dense"):
        Codec({"written": Written}, upcasts={("never", 2): dict})
    with pytest.raises(ValueError, match="dense"):
        Codec({"written": Written}, upcasts={("written", 0): dict})


def test_a_type_without_a_json_form_is_refused() -> None:
    with pytest.raises(TypeError, match="no JSON form"):
        from_json(float, 1.5)

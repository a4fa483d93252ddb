"""Ports in front of another one: what they do not change reaches it as it came, and so does its answer.

Most of these calls are made by nobody who would notice two numbers that have changed places.
"""

import inspect
from collections.abc import Iterator, Mapping
from typing import Any, cast

import pytest

from chalicelib.leftfold.archive.events import ArchivedEvents
from chalicelib.leftfold.archive.segments import SegmentedLog
from chalicelib.leftfold.policies.beginning import BeginningCheckpoints
from chalicelib.leftfold.projection.budget import BudgetedRows
from chalicelib.leftfold.projection.filling import Part, PartCheckpoints, WholeStreams
from chalicelib.leftfold.projection.watched import WatchedWork, unwatched
from chalicelib.leftfold.store.checkpoints import RoutedCheckpoints, RoutedParking

ANY = cast("Any", None)
INSIDE = "its name inside"


class Behind:
    """The port behind, which notes its call and answers with something of its own."""

    def __init__(self) -> None:
        self.called: tuple[str, tuple[Any, ...], dict[str, Any]] | None = None
        self.answer = object()

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            self.called = name, args, kwargs
            return self.answer

        return call


def in_front_of(port: Any) -> Mapping[Any, str]:
    """What passes calls on to a *port*, and which calls."""
    return {
        ArchivedEvents(port, ANY): "append scan",
        SegmentedLog(port, ANY): (
            "head streams claim put_body append registry mark_archived mend delete add_segment"
            " segments segment_with"
        ),
        BeginningCheckpoints(ANY, ANY, port): "begin move note write_note",
        BudgetedRows(port, 1, lambda: 0.0, ANY): "load flush expunge scan",
        PartCheckpoints(port, "fill", Part(16, 0, 1, range(1))): "begin note write_note",
        WholeStreams(port): "extend release all",
        WatchedWork(port, unwatched): "hears scope",
    }


def calls() -> Iterator[Any]:
    """Each of them, by its class and its name."""
    for front, names in in_front_of(Behind()).items():
        for name in names.split():
            yield pytest.param(type(front), name, id=f"{type(front).__name__}.{name}")


@pytest.mark.parametrize(("kind", "name"), list(calls()))
def test_a_call_reaches_the_port_behind_as_it_came(kind: type[Any], name: str) -> None:
    behind = Behind()
    (front,) = (each for each in in_front_of(behind) if type(each) is kind)
    call = getattr(front, name)
    parameters = inspect.signature(call).parameters.values()
    given = [object() for each in parameters if each.kind is not each.KEYWORD_ONLY]
    named = {each.name: object() for each in parameters if each.kind is each.KEYWORD_ONLY}
    answer = call(*given, **named)
    assert behind.called == (name, tuple(given), named)
    assert answer in (behind.answer, None)
    assert (answer is None) == (inspect.signature(call).return_annotation in (None, "None"))


@pytest.mark.parametrize("name", ["read", "begin", "move", "note", "write_note"])
def test_a_checkpoint_is_kept_under_the_name_to_which_its_reader_is_routed(name: str) -> None:
    behind: Any = Behind()
    passed_on(RoutedCheckpoints(lambda reader: (behind, f"{reader}: {INSIDE}")), behind, name)


@pytest.mark.parametrize("name", ["find", "park", "extend", "release"])
def test_a_parked_stream_is_kept_under_the_name_to_which_its_reader_is_routed(name: str) -> None:
    behind: Any = Behind()
    routed = RoutedParking(lambda reader: (behind, f"{reader}: {INSIDE}"), list)
    passed_on(routed, behind, name)


def passed_on(front: Any, behind: Behind, name: str) -> None:
    """A call goes to the port behind, with another name of the reader and nothing else changed."""
    call = getattr(front, name)
    others = [object() for _ in range(len(inspect.signature(call).parameters) - 1)]
    answer = call("sums", *others)
    assert behind.called == (name, (f"sums: {INSIDE}", *others), {})
    assert answer in (behind.answer, None)
    assert (answer is None) == (name == "write_note")

"""What operators do is in an audit stream before it is done."""

import pytest

from chalicelib.leftfold.commands.handler import CommandHandler
from chalicelib.leftfold.erasure.auditing import MOST_NAMED, Auditing
from chalicelib.leftfold.store.memory import MemoryEvents
from chalicelib.leftfold.store.ports import Unavailable
from chalicelib.leftfold.subjects.audit import audit
from tests.clock import Clock
from tests.faults import Lossy
from tests.vaults import vault_of

STREAM = "main/audit-operators-2026-01"


def auditing(events: MemoryEvents, clock: Clock) -> Auditing:
    handler = CommandHandler(events, {audit.category: "fold"}, clock, lambda _: None, vault_of())
    return Auditing(handler, clock)


def test_each_action_is_recorded_once_with_who_did_it_and_a_month_has_a_stream() -> None:
    events, clock = MemoryEvents(), Clock()
    for action, command_id in (("redrive", "1"), ("archive", "2"), ("redrive", "1")):
        auditing(events, clock).action("operator:eve", action, ["balances"], command_id)
    clock.forward(days=31)
    auditing(events, clock).action("operator:eve", "sweep", [], "3")
    commits = events.range(STREAM, 1, 9)
    assert [(c.actor, c.authority, c.events[0].body) for c in commits] == [
        ("operator:eve", "operate", {"action": "redrive", "what": ["balances"]}),
        ("operator:eve", "operate", {"action": "archive", "what": ["balances"]}),
    ]
    assert len(events.range("main/audit-operators-2026-02", 1, 9)) == 1


def test_of_very_many_names_the_first_are_kept_and_the_number() -> None:
    events = MemoryEvents()
    names = [f"main/account-{number}" for number in range(MOST_NAMED + 10)]
    auditing(events, Clock()).action("operator:eve", "redrive", names, "1")
    (made,) = events.range(STREAM, 1, 9)
    what = made.events[0].body["what"]
    assert what == [*names[:MOST_NAMED], f"{len(names)} in all"]


def test_what_cannot_be_recorded_is_not_done() -> None:
    events = Lossy(MemoryEvents(), before=frozenset(range(1, 9)))
    with pytest.raises(Unavailable):
        auditing(events, Clock()).action("operator:eve", "sweep", [], "1")  # type: ignore[arg-type]

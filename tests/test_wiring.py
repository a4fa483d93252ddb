"""How the parts of the application are made."""

import json
import random
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier, BrokenBarrierError
from typing import Any
from uuid import UUID

import boto3
import pytest

from chalicelib.leftfold.kernel import Aggregate, Announcer, Context, Decider, Domain, View
from chalicelib.leftfold.policies.outside import MemoryOutside
from chalicelib.leftfold.projection.budget import BudgetedRows
from chalicelib.leftfold.projection.memory import MemoryRows
from chalicelib.leftfold.projection.runner import OvertakenError
from chalicelib.leftfold.store.memory import (
    MemoryCheckpoints,
    MemoryEvents,
    MemoryLog,
    MemoryParking,
)
from chalicelib.leftfold.subjects.opening import CLOSED
from chalicelib.leftfold.wiring.clients import client
from chalicelib.leftfold.wiring.services import Services
from chalicelib.leftfold.wiring.settings import Settings
from tests.builders import Added, codec
from tests.projection.views import piles
from tests.vaults import vault_of


def test_clients_are_made_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    together = Barrier(2)

    class Made:
        """A client; *alone* says that no other was made at the same time."""

        def __init__(self, *, alone: bool) -> None:
            self.alone = alone
            self.meta = boto3.session.Session()

    def make(_service: str, **_config: Any) -> Made:
        try:
            together.wait(timeout=0.2)
        except BrokenBarrierError:
            return Made(alone=True)
        return Made(alone=False)

    monkeypatch.setattr(boto3, "client", make)
    with ThreadPoolExecutor(2) as pool:
        made = list(pool.map(lambda _: client("s3"), range(2)))
    assert [one.alone for one in made] == [True, True]


# --- services

RENAMED = replace(piles, name="heaps", stored_as="piles")
SECRET = replace(piles, name="secret", personal=True)
# Nothing decides anything here.
pile = Aggregate(
    "pile", Decider(lambda _command, _state: [], lambda state, _event: state, 0), codec
)
TOLD = Announcer("told", (pile,), (Added,))
SETTINGS = {"LEFTFOLD_STACK": "shop"}


def services_of(*views: View, **parts: Any) -> Services:
    """Services of some views in memory."""
    domain = Domain((Context(aggregates=(pile,), views=views, policies=(TOLD,)),))
    rows: Any = {view.name: MemoryRows() for view in views}
    return Services(
        Settings(SETTINGS),
        domain,
        **{
            "rows": rows.__getitem__,
            "vault": vault_of(),
            "log": MemoryLog(),
            "checkpoints": MemoryCheckpoints(),
            "parking": MemoryParking(),
            **parts,
        },
    )


def test_a_view_that_was_renamed_is_stored_under_its_first_name() -> None:
    services = services_of(RENAMED, SECRET)
    assert services.stored_name("heaps") == "piles"
    assert services.stored_under("piles") == "heaps"
    # What no reader has is its own name.
    for name in ("secret", "told", "bus"):
        assert services.stored_name(name) == services.stored_under(name) == name


@pytest.mark.parametrize("view", [RENAMED, SECRET], ids=lambda view: view.name)
def test_a_view_is_given_the_personal_data_that_it_shows_and_no_other(view: View) -> None:
    """Another one would have it in rows in which no erasure looks."""
    services = services_of(view, opened_log=MemoryLog(), replayed_log=MemoryLog())
    opens = view.personal
    fill = services.fill(view.name)
    assert (fill.opener is services.vault, fill.opener is CLOSED) == (opens, not opens)
    assert fill.log is (services.opened_log if opens else services.replayed_log)
    work: Any = services.reader(view.name).work
    assert (work.opener is services.vault, work.opener is CLOSED) == (opens, not opens)


def test_a_fill_without_a_budget_writes_as_it_can_and_with_one_a_little_at_a_time() -> None:
    services = services_of(piles, replayed_log=MemoryLog())
    whole = services.fill("piles")
    assert (whole.rows is services.rows("piles"), whole.has_budget) == (True, False)
    for units in (0.5, 20):
        held: Any = services.fill("piles", units)
        assert isinstance(held.rows, BudgetedRows)
        assert (held.rows._inner is services.rows("piles"), held.rows._units) == (True, units)
        assert held.has_budget


def test_an_announcement_names_the_truth_and_the_log_that_it_is_from() -> None:
    services = services_of(events=MemoryEvents(), outside=MemoryOutside())
    assert services.announcing(TOLD).source == "urn:leftfold:shop:main"


def test_alarms_name_what_waits_and_no_more_than_a_line_can_hold(
    capsys: pytest.CaptureFixture[str],
) -> None:
    services, streams = services_of(), [f"main/pile-{n:02}" for n in range(25)]
    services.alarm(dict.fromkeys(reversed(streams), ("main/pile-x", 1)))
    services.alarm_unreadable([(stream, 0) for stream in streams])
    services.alarm_unpublished(OvertakenError("another one"))
    blocked, unreadable, unpublished = map(json.loads, capsys.readouterr().out.splitlines())
    assert (blocked["StreamsBlocked"], blocked["streams"]) == (25, streams[:20])
    assert unreadable["UnreadableCommits"] == 25
    assert unreadable["reason"] == f"no commit's keys: {[(s, 0) for s in streams[:20]]}"
    assert (unpublished["PublishesFailed"], unpublished["reason"]) == (1, "another one")


def test_spans_that_a_collector_did_not_take_are_counted_with_the_reason(
    capsys: pytest.CaptureFixture[str],
) -> None:
    services = services_of()
    services.settings = Settings({**SETTINGS, "LEFTFOLD_OTLP_ENDPOINT": "http://127.0.0.1:9"})
    assert services.traces is not None
    for _ in range(2):
        with services.traces.request("GET /piles", None):
            pass
    services.traces.send()
    (lost,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert lost["SpansLost"] == 2
    assert lost["reason"].startswith("URLError: ")


@pytest.mark.parametrize(
    ("variables", "service"),
    [
        ({"LEFTFOLD_STACK": "shop"}, "shop"),
        ({"LEFTFOLD_STACK": "shop", "LEFTFOLD_TRUTH": "books"}, "shop"),
        ({"LEFTFOLD_TRUTH": "books"}, "books"),
    ],
)
def test_spans_are_of_the_application_or_of_the_truth_whose_function_made_them(
    variables: dict[str, str], service: str
) -> None:
    services = services_of()
    services.settings = Settings({**variables, "LEFTFOLD_OTLP_ENDPOINT": "http://127.0.0.1:9"})
    assert services.traces is not None
    assert services.traces.service == service


def test_who_meets_another_one_waits_ever_longer_up_to_a_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waited: list[float] = []
    monkeypatch.setattr(time, "sleep", waited.append)
    # As long as may be; it is a random time, so that two do not meet again.
    monkeypatch.setattr(random, "uniform", lambda least, most: most - least)
    services = services_of()
    for attempt in range(1, 9):
        services.pause(attempt)
    assert waited == [0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.0, 1.0]
    services.rest(7)
    assert waited[-1] == 7


def test_an_id_has_the_time_at_which_it_was_made_and_is_no_other_one() -> None:
    services, began = services_of(), time.time_ns() // 1_000_000
    one, other = UUID(services.new_id()), UUID(services.new_id())
    assert one.version == 7
    assert one != other
    assert began <= one.int >> 80 <= time.time_ns() // 1_000_000


def test_side_by_side_gives_the_results_in_the_order_of_the_items() -> None:
    assert services_of().side_by_side(lambda n: n * n, range(40)) == [n * n for n in range(40)]


def test_a_part_that_services_do_not_have_is_named() -> None:
    with pytest.raises(TypeError, match="Services has no part colour, taste"):
        services_of(taste=1, colour=2)

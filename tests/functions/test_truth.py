"""The functions of a truth, which work for every application of it."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalicelib.leftfold.functions import handler
from chalicelib.leftfold.generations.control import Control
from chalicelib.leftfold.generations.memory import MemoryControl
from chalicelib.leftfold.relay.publisher import Publisher
from chalicelib.leftfold.relay.relay import Relay
from chalicelib.leftfold.relay.sequencer import Sequencer
from chalicelib.leftfold.store.applications import Application, MemoryApplications, Registered
from chalicelib.leftfold.store.checkpoints import RoutedCheckpoints, RoutedParking
from chalicelib.leftfold.store.memory import (
    MemoryCheckpoints,
    MemoryEvents,
    MemoryLog,
    MemoryParking,
)
from chalicelib.leftfold.store.ports import ParkedStream
from chalicelib.leftfold.store.readers import WHOLE_LOG
from chalicelib.leftfold.wiring import process
from chalicelib.leftfold.wiring.process import made_of
from chalicelib.leftfold.wiring.services import Services
from chalicelib.leftfold.wiring.settings import Settings
from chalicelib.leftfold.wiring.truth import REMEMBERED, TruthServices
from tests.commits import commit
from tests.functions.test_functions import Bus, Context, Door, grown, metrics

READERS = (
    Registered("sums", "sums", "view", "bus", ("account",)),
    Registered("list", "kept-list", "view", "log", ("account",)),
    Registered("tell", "tell", "policy", "log", ("account",)),
)
BLUE, GREEN, RED = (Application(name, READERS) for name in ("s-a", "s-a--green", "s-a--red"))
SETTINGS = Settings({"LEFTFOLD_TRUTH": "s-a", "LEFTFOLD_STAGE": "s-a"})


class Truth:
    """A truth in memory, with three applications, the first of which is active."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.applications = MemoryApplications(BLUE, GREEN, RED, active=BLUE.name)
        self.control = MemoryControl()
        self.events, self.log, self.door = MemoryEvents(), MemoryLog(), Door()
        names = ("", *(each.name for each in (BLUE, GREEN, RED)))
        self.checkpoints = {name: MemoryCheckpoints() for name in names}
        self.parking = {name: MemoryParking() for name in names}
        pause = lambda _: None  # noqa: E731 - nothing to wait for
        routed = RoutedCheckpoints(lambda reader: self.of(self.checkpoints, reader))
        self.services = TruthServices(
            SETTINGS,
            applications=self.applications,
            control=self.control,
            events=self.events,
            log=self.log,
            checkpoints=routed,
            parking=RoutedParking(lambda reader: self.of(self.parking, reader), lambda: ()),
            waker=self.door,
            clock=lambda: self.now,
            relay=Relay(
                Sequencer(self.events, self.log, pause, pause),
                Publisher(self.log, Bus(), routed),  # type: ignore[arg-type]
                pause,
            ),
        )

    @staticmethod
    def of(stores: Mapping[str, Any], reader: str) -> tuple[Any, str]:
        application, _, name = reader.rpartition("/")
        return stores[application], name


@pytest.fixture
def truth() -> Iterator[Truth]:
    made = Truth()
    before = process._services
    process.use(made.services)
    yield made
    process._services = before


def test_the_growing_log_wakes_what_follows_it_and_every_view_that_the_bus_does_not_feed(
    truth: Truth,
) -> None:
    """A shard of the bus bears five readers, so it feeds the active application alone."""
    handler("log_grew")(grown(("account",)), Context())
    assert truth.door.woken == [
        "s-a/list",
        "tell",
        *(f"{name}/{view}" for name in ("s-a--green", "s-a--red") for view in ("sums", "list")),
    ]


def test_a_policy_is_woken_once_in_the_active_application(truth: Truth) -> None:
    assert truth.services.function_of("tell") == "s-a-tell"
    assert truth.applications.activate("s-a--red", "s-a")
    truth.now += 2 * REMEMBERED
    assert truth.services.function_of("tell") == "s-a--red-tell"
    assert [reader.name for reader in truth.services.readers].count("tell") == 1


def test_a_view_is_woken_in_its_own_application_and_the_relay_in_the_truth(truth: Truth) -> None:
    named = truth.services.function_of
    assert named("s-a/list") == "s-a-list"
    assert named("s-a--green/list") == "s-a--green-list"
    assert named("relay") == "s-a-relay"


def test_a_new_application_is_found_within_seconds(truth: Truth) -> None:
    handler("log_grew")(grown(("account",)), Context())
    truth.applications.register(Application("s-a--new", READERS))
    truth.now += REMEMBERED + timedelta(seconds=1)
    truth.door.woken.clear()
    handler("log_grew")(grown(("account",)), Context())
    assert {"s-a--new/sums", "s-a--new/list"} <= set(truth.door.woken)


def test_the_sweeper_wakes_and_measures_each_application_apart(
    truth: Truth, capsys: pytest.CaptureFixture[str]
) -> None:
    assert truth.events.append(commit()) is None
    truth.checkpoints["s-a--green"].move("kept-list", WHOLE_LOG, -1, 0)
    truth.parking["s-a--red"].park("kept-list", "main/account-z", ParkedStream(0, 0, "why"))
    handler("sweeper")({}, Context())
    reported = metrics(capsys)
    assert "s-a/list" in truth.door.woken
    assert "s-a--green/list" not in truth.door.woken
    behind = {
        (m["stack"], m["view"]): m["PositionsBehind"] for m in reported if "PositionsBehind" in m
    }
    assert behind == {
        **{
            (name, view): 1
            for name in ("s-a", "s-a--green", "s-a--red")
            for view in ("sums", "list")
        },
        ("s-a--green", "list"): 0,
        ("s-a", "tell"): 1,
    }
    parked = {(m["stack"], m["view"]) for m in reported if m.get("StreamsParked")}
    assert parked == {("s-a--red", "list")}
    (swept,) = [m for m in reported if "SweptCommits" in m]
    assert (swept["stack"], swept["SweptCommits"]) == ("s-a", 1)


def test_policies_of_a_generation_that_is_not_active_rest_and_announcers_go_on(
    truth: Truth,
) -> None:
    tells = Registered("told", "told", "announcer", "log", ("account",))
    truth.applications.register(Application("s-a", (*READERS, tells)))
    truth.control.change(None, Control("s-a", "s-a--later", "switching", 1))
    woken = [reader.name for reader in truth.services.followers if "/" not in reader.name]
    assert woken == ["told"]
    truth.control.change(truth.control.read(), Control("s-a", "s-a--later", "switching", 2))
    truth.now += 2 * REMEMBERED
    woken = [reader.name for reader in truth.services.followers if "/" not in reader.name]
    assert woken == ["tell", "told"]


def test_pruning_waits_for_the_active_application_and_for_no_other(truth: Truth) -> None:
    waited_for = [reader.name for reader in truth.services.pruning_waits_for]
    assert waited_for == ["s-a/sums", "s-a/list", "tell"]


def test_a_process_serves_the_application_or_the_truth_that_its_environment_names() -> None:
    application = Settings({"LEFTFOLD_STACK": "s-a", "LEFTFOLD_TRUTH": "s-a"})
    assert type(made_of(application)) is Services
    assert type(made_of(SETTINGS)) is TruthServices
    with pytest.raises(LookupError, match="LEFTFOLD_STACK"):
        made_of(Settings({})).settings.named("balances")


def test_what_is_parked_of_a_truth_is_in_the_tables_of_its_applications() -> None:
    """Views have rows and parked streams for each application; policies are the truth's."""
    nobody: Any = object()
    services = TruthServices(
        SETTINGS,
        dynamodb=nobody,
        applications=MemoryApplications(BLUE, GREEN, active=BLUE.name),
        control=MemoryControl(),
    )
    parking: Any = services.parking
    tables = {begins: store._table for begins, store in parking.stores()}
    assert tables == {
        "": "s-a-policy-parked",
        "s-a/": "s-a-view-parked",
        "s-a--green/": "s-a--green-view-parked",
    }
    for reader, place in {
        "tell": ("s-a-policy-checkpoints", "tell"),
        "s-a--green/sums": ("s-a--green-view-checkpoints", "sums"),
    }.items():
        routed: Any = services.checkpoints
        store, name = routed.route(reader)
        assert (store._table, name) == place

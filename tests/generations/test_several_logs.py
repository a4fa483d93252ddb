"""A change of generations where one of them, or both, have a log for each group of tenants."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.domain import DOMAIN
from chalicelib.leftfold.generations.copier import SHARDS
from chalicelib.leftfold.generations.copying import (
    SeveralLogsError,
    Truth,
    end_of,
    several_logs,
)
from chalicelib.leftfold.generations.operating import Operator, Taken
from chalicelib.leftfold.generations.passing import passed_of
from chalicelib.leftfold.generations.proving import Found, Prover
from chalicelib.leftfold.generations.taking import has
from chalicelib.leftfold.kernel import AggregateId, Boundaries, StoredEvent, Transform
from chalicelib.leftfold.relay.sequencer import Sequencer
from chalicelib.leftfold.store.checkpoints import DynamoCheckpoints
from chalicelib.leftfold.store.logs import log_names, log_of
from chalicelib.leftfold.store.memory import (
    MemoryArchive,
    MemoryCheckpoints,
    MemoryEvents,
    MemoryLog,
    MemoryParking,
)
from chalicelib.leftfold.store.ports import StreamEntry, StreamVersion
from chalicelib.leftfold.wiring.services import Services
from chalicelib.leftfold.wiring.settings import Settings
from tests.commits import commit
from tests.contracts import moto
from tests.generations.site import Site, no_pause
from tests.generations.test_proof import MONEY
from tests.teller import OPENING, credit
from tests.vaults import vault_of
from tools.bank.transforms import in_place, tenant_moved
from tools.tables import create_tables

# With two logs, main and north are in one, and second in the other; with four each has its own.
TENANTS = ("main", "second", "north")
KEYS = "ab"
STREAMS = sorted(f"{tenant}/account-{key}" for tenant in TENANTS for key in KEYS)


def truth(name: str, logs: int) -> Truth:
    """A truth with so many logs, whose relay logs at once when it is asked to."""
    registry: dict[str, StreamEntry] = {}
    made = {each: MemoryLog(registry) for each in log_names(logs)}
    table = MemoryEvents()

    def sequence(wanted: Mapping[str, int]) -> object:
        for each, log in made.items():
            own = {s: v for s, v in wanted.items() if log_of(s, tuple(made)) == each}
            list(Sequencer(table, log, no_pause, lambda _: None).sequence(own))
        return None

    main, *others = made
    return Truth(
        *(name, table, table, made[main], sequence, name == "blue"),
        {each: made[each] for each in others},
    )


def live(blue: int, green: int, boundaries: Boundaries | None = None) -> Site:
    """Accounts of three tenants, logged by a giver with so many logs."""
    site = Site(boundaries or Boundaries(), blue=truth("blue", blue), green=truth("green", green))
    for tenant in TENANTS:
        teller = replace(site.teller("blue"), tenant=tenant)
        for key in KEYS:
            teller.do(OPENING, key)
            teller.do(credit(10), key)
    site.log(site.blue)
    return site


def operator(site: Site) -> Operator:
    return Operator(
        site.control, site.copier, site.there, site.back, site.checkpoints, site.parking
    )


def proved(site: Site, archive: MemoryArchive | None = None, *, back: bool = False) -> Found:
    """What a proof of all shards finds."""
    way = site.back if back else site.there
    assert way is not None
    made = Prover(
        way.copying, MONEY, vault_of(), archive or MemoryArchive(), MemoryCheckpoints(), no_pause
    )
    proof = made.begun("proofs/p", 1)
    assert all(made.run(proof, shard) for shard in range(SHARDS))
    found = made.found(proof)
    assert found is not None
    return found


def logged(of: Truth) -> dict[str, list[str]]:
    """The streams of each log, by commit."""
    return {
        name: [c.aggregate_id for block in log.blocks(0) for c in block.commits]
        for name, log in of.logs.items()
    }


@pytest.mark.parametrize(("blue", "green"), [(1, 4), (2, 2), (4, 1), (4, 2)])
def test_streams_of_all_logs_go_there_and_back_and_there_and_are_proved(
    blue: int, green: int
) -> None:
    site = live(blue, green)
    site.copy()
    assert operator(site).switch(most_lag=0).switch == 1
    assert operator(site).take() == Taken(1, len(STREAMS), ())
    for tenant in TENANTS:
        assert replace(site.teller("green"), tenant=tenant).do(credit(1), "a") == 3
    site.log(site.green)
    for name, streams in logged(site.green).items():
        assert {log_of(stream, tuple(site.green.logs)) for stream in streams} <= {name}
    assert sum(map(len, logged(site.green).values())) == 2 * len(STREAMS) + len(TENANTS)
    found = proved(site)
    assert (found.all_differences(), found.streams, found.native) == ([], len(STREAMS), 3)
    operator(site).switch_back()
    assert operator(site).take().left == ()
    site.log(site.blue)
    assert proved(site, back=True).all_differences() == []
    operator(site).switch()
    assert operator(site).take().left == ()
    assert operator(site).finish().state == "finished"
    assert all(has(end_of(site.green, stream)) for stream in STREAMS)
    assert not any(has(end_of(site.blue, stream)) for stream in STREAMS)


def test_each_log_of_the_giver_has_shards_of_its_own() -> None:
    site = live(4, 1)
    site.copier.run(range(SHARDS))
    assert {c for c in STREAMS if site.stream(site.green, c)} == set(logged(site.blue)["main"])
    progress = site.copier.progress()
    assert len(progress.done) == 4 * SHARDS
    assert {progress.behind(shard) for shard in range(SHARDS)} == {0}
    assert progress.lag == max(len(streams) for streams in logged(site.blue).values())
    site.copier.run()
    assert site.copier.progress().lag == 0
    assert all(len(site.stream(site.green, stream)) == 2 for stream in STREAMS)


def test_a_log_that_never_ends_holds_up_no_other() -> None:
    site = live(2, 1)
    looks = 0

    def goes_on() -> bool:
        nonlocal looks
        looks += 1
        site.teller("blue").do(credit(1), "a")
        site.log(site.blue)
        return looks < 3

    site.copier.run(goes_on=goes_on)
    assert len(site.stream(site.green, "second/account-a")) == 2
    assert site.copier.progress().behind(SHARDS) == 0


def moving() -> Boundaries:
    """The accounts of *second* become those of *west*: of four logs, in another."""
    return Boundaries([tenant_moved("account", "second", "west")])


def test_a_tenant_moves_to_another_log_and_back() -> None:
    names = log_names(4)
    assert log_of("second/account-a", names) != log_of("west/account-a", names)
    site = live(4, 4, moving())
    site.copy()
    operator(site).switch()
    assert operator(site).take().left == ()
    assert replace(site.teller("green"), tenant="west").do(credit(5), "a") == 3
    site.log(site.green)
    there = logged(site.green)[log_of("west/account-a", names)]
    assert (there.count("west/account-a"), there.count("west/account-b")) == (3, 2)
    assert proved(site).all_differences() == []
    operator(site).switch_back()
    assert operator(site).take().left == ()
    assert replace(site.teller("blue"), tenant="second").do(credit(5), "a") == 4


def test_a_cause_that_has_come_to_a_tenant_of_another_log_is_left_out() -> None:
    for logs, expected in ((1, (("west/account-a", 1),)), (4, ())):
        site = live(4, logs, moving())
        caused = commit("second/transfer-t")._replace(deps=(("second/account-a", 1),))
        site.blue.table.append(caused)
        site.copy()
        (copy,) = site.stream(site.green, "second/transfer-t")
        assert copy.deps == expected
        site.log(site.green)
        assert "second/transfer-t" in {
            s for streams in logged(site.green).values() for s in streams
        }


def tenants_merged() -> Boundaries:
    """The accounts of *second* go into those of *main*."""

    def feeds(stream: AggregateId) -> tuple[AggregateId, ...]:
        return (stream._replace(tenant="main") if stream.tenant == "second" else stream,)

    def sources(stream: AggregateId) -> tuple[AggregateId, ...]:
        if stream.tenant == "second":
            return ()
        both = stream, stream._replace(tenant="second")
        return both if stream.tenant == "main" else (stream,)

    def events(moving: Any) -> Any:
        yield feeds(moving.stream)[0], moving.event

    return Boundaries([Transform("account", ("account",), feeds, sources, events)])


def test_streams_of_several_logs_are_not_merged_and_nothing_of_them_is_lost() -> None:
    boundaries = tenants_merged()
    assert list(several_logs(boundaries, STREAMS, log_names(1))) == []
    faults = list(several_logs(boundaries, STREAMS, log_names(2)))
    assert len(faults) == 4
    assert "main/account-a is merged from main/account-a, second/account-a" in faults[0]
    site = live(2, 1, boundaries)
    site.copy()
    assert {stream for _, stream, _ in site.parking.all("copier")} == {
        *("main/account-a", "main/account-b")
    }
    assert site.copier.redrive("main/account-a") is False
    site.switch()
    with pytest.raises(SeveralLogsError, match="in several logs"):
        site.there.take("main/account-a", 1)
    assert site.stream(site.green, "main/account-a") == []
    # In one log they have an order.
    one = live(1, 2, boundaries)
    one.copy()
    one.switch()
    one.take_all()
    assert len(one.stream(one.green, "main/account-a")) == 4


def test_a_stream_that_was_parked_goes_on_from_its_own_log() -> None:
    mended = False

    def fails(event: StoredEvent) -> StoredEvent:
        if not mended and event.name == "account-credited":
            raise ValueError("not yet")
        return event

    site = live(4, 2, Boundaries([in_place("account", fails)]))
    site.copy()
    assert len(operator(site).redrive()) == len(STREAMS)
    mended = True
    assert operator(site).redrive() == ()
    assert all(len(site.stream(site.green, stream)) == 2 for stream in STREAMS)
    assert operator(site).switch(most_lag=0).switch == 1


def test_what_was_passed_is_asked_of_the_log_of_the_source() -> None:
    checkpoints = {name: MemoryCheckpoints() for name in log_names(2)}
    checkpoints["main"].begin("notify", 0, 9)
    checkpoints["main-1"].begin("notify", 0, 4)
    passed = passed_of("notify", checkpoints, MemoryParking())
    for tenant, position, expected in (
        *(("main", 5, True), ("main", 10, False)),
        *(("second", 4, True), ("second", 5, False)),
    ):
        source = StreamVersion(f"{tenant}/account-a", 1)
        copy = commit("west/account-a")._replace(root=source, source=source, position=position)
        assert passed(copy) is expected


def test_a_proof_reads_every_log_of_the_giver() -> None:
    site = live(2, 2)
    site.copier.run(range(SHARDS))
    site.log(site.green)
    found = proved(site)
    # Those of the other log are still to come.
    assert (found.under_way, found.differing) == (len(KEYS), 0)
    assert (found.earlier_streams, found.earlier_commits) == (len(STREAMS), 2 * len(STREAMS))
    site.copier.run()
    site.log(site.green)
    assert proved(site).under_way == 0


def test_the_services_of_all_logs_have_the_generations_of_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", moto.REGION)
    told = {
        "LEFTFOLD_STACK": "green",
        "LEFTFOLD_LOGS": "4",
        "LEFTFOLD_EARLIER": "blue",
        "LEFTFOLD_EARLIER_LOGS": "2",
    }
    with moto.in_process():
        client = moto.client("dynamodb")
        create_tables(client, "blue")
        services = Services(Settings(told), DOMAIN, dynamodb=client)
        made = services.in_log("main-3").generations
        assert made is services.generations
        assert tuple(made.own.logs) == log_names(4)
        assert tuple(made.earlier.logs) == log_names(2)
        assert len({id(log) for log in (*made.own.logs.values(), *made.earlier.logs.values())}) == 6
        assert not made.begun_before("notify")
        DynamoCheckpoints(client, "blue-policy-checkpoints", "main-1").begin("notify", 0, 7)
        assert made.begun_before("notify")
        assert made.passed("notify").through == {"main": -1, "main-1": 7}

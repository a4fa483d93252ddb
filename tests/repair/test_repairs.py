"""What nobody could read is put right, and everybody goes on: commands, views, policies, replays."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from chalicelib.leftfold.commands.handler import CommandHandler, CommandRequest
from chalicelib.leftfold.commands.loading import load
from chalicelib.leftfold.http.history import events_of
from chalicelib.leftfold.kernel import (
    LANES,
    Aggregate,
    Commit,
    Decider,
    Email,
    Policy,
    Recorded,
    Refused,
    StoredEvent,
    View,
)
from chalicelib.leftfold.kernel.codec import UnknownEvent
from chalicelib.leftfold.kernel.repair import NO_REPAIRS, Repair, read
from chalicelib.leftfold.policies.mailing import MemoryMailer
from chalicelib.leftfold.policies.work import PolicyWork
from chalicelib.leftfold.projection.fold import PoisonError, touched_by
from chalicelib.leftfold.projection.memory import MemoryRows
from chalicelib.leftfold.projection.partitioned import PartitionedRunner
from chalicelib.leftfold.projection.replay import compare, replay
from chalicelib.leftfold.projection.runner import ViewWork
from chalicelib.leftfold.relay.sequencer import Sequencer
from chalicelib.leftfold.repair.domain import CATEGORY
from chalicelib.leftfold.repair.service import Asked, Repairer
from chalicelib.leftfold.repair.stored import StoredRepairs
from chalicelib.leftfold.store.memory import (
    MemoryCheckpoints,
    MemoryEffects,
    MemoryEvents,
    MemoryLog,
    MemoryParking,
)
from chalicelib.leftfold.store.ports import Unavailable
from tests.builders import Added, Removed, codec
from tests.clock import Clock
from tests.commits import commit
from tests.faults import Lossy
from tests.projection.views import buggy, parity, piles
from tests.vaults import vault_of

A, B = "main/pile-a", "main/pile-b"
GOOD = StoredEvent("added", 1, {"amount": 4})
# A newer release wrote it, and was taken back; or a slip of a hand.
POISON = StoredEvent("added", 7, {"sum": "four"})
ANN = Asked("ann", "release 7 was taken back", "propose-1")
BOB = Asked("bob", "so it is", "approve-1")


def decide(command: Any, state: int) -> list[Any]:
    if command > 100 - state:
        raise Refused("pile-full")
    return [Added(command)]


def evolve(state: int, event: Any) -> int:
    return state + event.amount if isinstance(event, Added) else 0


def tell(recorded: Recorded) -> Iterable[Email]:
    if isinstance(recorded.event, Added):
        yield Email("added", "ada@example.com", "Added", str(recorded.event.amount))


pile = Aggregate("pile", Decider(decide, evolve, 0), codec)
tells = Policy("tells", (pile,), tell)


def pause(_attempt: int) -> None:
    """Nothing to wait for."""


@dataclass
class Poisoned:
    """A pile with an event that nobody can read, and everything that reads it."""

    events: MemoryEvents = field(default_factory=MemoryEvents)
    log: MemoryLog = field(default_factory=MemoryLog)
    checkpoints: MemoryCheckpoints = field(default_factory=MemoryCheckpoints)
    parking: MemoryParking = field(default_factory=MemoryParking)
    mailer: MemoryMailer = field(default_factory=MemoryMailer)
    rows: dict[str, MemoryRows] = field(default_factory=dict)
    second: bool = True

    def __post_init__(self) -> None:
        self.effects = MemoryEffects(Clock())
        self.repairs = StoredRepairs(self.events)
        fingerprints = {"pile": "fold", CATEGORY: "none"}
        self.handler = CommandHandler(
            self.events, fingerprints, Clock(), pause, vault_of(), self.repairs
        )
        self.store(A, GOOD, Removed())
        self.store(A, POISON, Added(9))
        self.store(B, GOOD)
        self.store(A, GOOD)

    def store(self, stream: str, *events: StoredEvent | Any) -> None:
        version = len(self.events.range(stream, 1, 99)) + 1
        stored = tuple(e if isinstance(e, StoredEvent) else codec.encode(e) for e in events)
        made = commit(stream, version)._replace(events=stored)
        assert self.events.append(made) is None
        self.relay()

    def relay(self) -> None:
        stored, _ = self.events.scan(0, 1, None, 10**6)
        list(Sequencer(self.events, self.log, pause, lambda _: None).sequence(dict(stored)))

    def repairer(self) -> Repairer:
        return Repairer(
            self.handler,
            self.events,
            self.log,
            self.parking,
            self.repairs,
            {"pile": pile},
            self.second,
        )

    def view(self, view: View) -> PartitionedRunner:
        work = ViewWork(view, self.rows_of(view), repairs=self.repairs)
        return PartitionedRunner(work, self.log, self.checkpoints, self.parking, pause)

    def rows_of(self, view: View) -> MemoryRows:
        return self.rows.setdefault(view.name, MemoryRows())

    def policy(self, policy: Policy = tells) -> PartitionedRunner:
        work = PolicyWork(
            policy, self.handler, self.effects, self.mailer, "owner", pause, map, vault_of()
        )
        return PartitionedRunner(work, self.log, self.checkpoints, self.parking, pause)

    def is_as_replayed(self, view: View) -> bool:
        made = replay(view, self.log, lambda _: None, self.repairs)
        return not made.stopped and not list(compare(made.rows, self.rows_of(view).scan()))

    def corrected(self, *reads_as: StoredEvent) -> None:
        self.repairer().correct(A, 2, 0, reads_as, ANN)
        self.repairer().approve(A, 2, "event-0", BOB)
        self.relay()


@pytest.fixture
def poisoned() -> Poisoned:
    return Poisoned()


def run(runner: PartitionedRunner) -> None:
    while runner.catch_up(8):
        pass


def add(poisoned: Poisoned, amount: int, key: str) -> int:
    request = CommandRequest(pile, A, amount, key, "00" * 8, "ada", "c")
    return poisoned.handler.execute(request)


def test_after_a_correction_commands_views_policies_and_replays_go_on(poisoned: Poisoned) -> None:
    with pytest.raises(Exception, match="no event 'added' in version 7"):
        add(poisoned, 1, "k1")
    run(poisoned.view(piles))
    run(poisoned.policy())
    run(poisoned.view(parity))
    assert set(poisoned.parking.find("parity", ["main/"])) == {"main/"}
    assert (
        set(poisoned.parking.find("piles", [A])) == set(poisoned.parking.find("tells", [A])) == {A}
    )

    poisoned.corrected(
        StoredEvent("added", 1, {"amount": 5}), StoredEvent("added", 1, {"amount": 6})
    )

    assert add(poisoned, 1, "k1") == 4
    poisoned.relay()
    poisoned.view(piles).redrive(A)
    poisoned.policy().redrive(A)
    poisoned.view(parity).redrive("main/")
    run(poisoned.view(piles))
    run(poisoned.policy())
    run(poisoned.view(parity))
    assert poisoned.rows["piles"].load([A])[A].row == {"amounts": [5, 6, 9, 4, 1], "version": 4}
    assert list(poisoned.parking.all()) == []
    assert poisoned.is_as_replayed(piles)
    assert poisoned.is_as_replayed(parity)
    assert sorted(email.text for email in poisoned.mailer.sent) == [
        "1",
        "4",
        "4",
        "4",
        "5",
        "6",
        "9",
    ]


def test_a_correction_may_say_that_nothing_happened(poisoned: Poisoned) -> None:
    poisoned.corrected()
    assert load(poisoned.events, pile, A, fingerprint="", repairs=poisoned.repairs).state == 13


def test_a_correction_is_of_one_event_of_one_commit(poisoned: Poisoned) -> None:
    poisoned.corrected(GOOD)
    poisoned.store(A, POISON)
    with pytest.raises(Exception, match="version 7"):
        load(poisoned.events, pile, A, fingerprint="", repairs=poisoned.repairs)


def test_a_correction_that_waits_for_approval_is_not_read(poisoned: Poisoned) -> None:
    poisoned.repairer().correct(A, 2, 0, [GOOD], ANN)
    with pytest.raises(Exception, match="version 7"):
        load(poisoned.events, pile, A, fingerprint="", repairs=poisoned.repairs)
    with pytest.raises(Refused, match="repair-needs-another"):
        poisoned.repairer().approve(A, 2, "event-0", ANN._replace(command_id="approve-0"))
    poisoned.repairer().approve(A, 2, "event-0", BOB)
    assert load(poisoned.events, pile, A, fingerprint="", repairs=poisoned.repairs).version == 3


def test_a_retry_of_a_repair_is_answered_as_the_first_attempt(poisoned: Poisoned) -> None:
    first = poisoned.repairer().correct(A, 2, 0, [GOOD], ANN)
    assert poisoned.repairer().correct(A, 2, 0, [GOOD], ANN) == first
    poisoned.second = False
    assert list(poisoned.repairer().all()) == []
    poisoned.relay()
    assert list(poisoned.repairer().all()) == [first]


@pytest.mark.parametrize(
    ("where", "reads_as", "code"),
    [
        ((A, 1, 0), (GOOD,), "repair-not-needed"),
        ((A, 2, 1), (GOOD,), "repair-not-needed"),
        ((A, 2, 2), (GOOD,), "repair-event-missing"),
        ((A, 2, -1), (GOOD,), "repair-event-missing"),
        ((A, 9, 0), (GOOD,), "repair-event-missing"),
        (("main/heap-a", 1, 0), (GOOD,), "repair-event-missing"),
        ((A, 2, 0), (POISON,), "repair-unreadable"),
        ((A, 2, 0), (StoredEvent("added", 1, {"amount": "4"}),), "repair-unreadable"),
        ((A, 2, 0), (GOOD,) * 21, "repair-unreadable"),
    ],
)
def test_a_correction_that_does_not_fit_is_refused_and_leaves_nothing(
    poisoned: Poisoned, where: tuple[str, int, int], reads_as: tuple[StoredEvent, ...], code: str
) -> None:
    with pytest.raises(Refused) as refused:
        poisoned.repairer().correct(*where, reads_as, ANN)
    assert refused.value.code == code
    poisoned.relay()
    assert list(poisoned.repairer().all()) == []


def test_a_correction_with_which_the_rules_cannot_go_on_is_refused(poisoned: Poisoned) -> None:
    def fussy(state: int, event: Any) -> int:
        if event == Added(66):
            raise LookupError("no such pile")
        return evolve(state, event)

    fails = Aggregate("pile", Decider(decide, fussy, 0), codec)
    repairer = replace(poisoned.repairer(), aggregates={"pile": fails})
    with pytest.raises(Refused) as refused:
        repairer.correct(A, 2, 0, [StoredEvent("added", 1, {"amount": 66})], ANN)
    assert refused.value.facts == {"reason": "LookupError: no such pile"}


def test_a_view_passes_over_a_commit_that_it_alone_is_to_skip(poisoned: Poisoned) -> None:
    poisoned.corrected(StoredEvent("added", 1, {"amount": 13}))
    unlucky = buggy(piles)
    run(poisoned.view(unlucky))
    assert set(poisoned.parking.find("piles", [A])) == {A}
    poisoned.repairer().skip("piles", A, ANN._replace(command_id="skip-1"))
    with pytest.raises(PoisonError):
        poisoned.view(unlucky).redrive(A)
    poisoned.repairer().approve(A, 2, "reader-piles", BOB._replace(command_id="approve-2"))
    poisoned.view(unlucky).redrive(A)
    assert list(poisoned.parking.all()) == []
    assert poisoned.rows["piles"].load([A])[A].row == {"amounts": [4], "version": 3}
    poisoned.relay()
    assert poisoned.is_as_replayed(unlucky)
    # Another view, and one that can fold it, do.
    run(poisoned.view(replace(piles, name="others")))
    assert poisoned.rows["others"].load([A])[A].row == {"amounts": [13, 9, 4], "version": 3}


def test_an_ordered_view_passes_over_a_commit_and_goes_on(poisoned: Poisoned) -> None:
    run(poisoned.view(parity))
    poisoned.second = False
    repaired = poisoned.repairer().skip("parity", "main/", ANN)
    assert (repaired.stream, repaired.version) == (A, 2)
    # No other view passes it over.
    run(poisoned.view(piles))
    assert set(poisoned.parking.find("piles", [A])) == {A}
    poisoned.view(parity).redrive("main/")
    assert poisoned.rows["parity"].load(["main/all"])["main/all"].row == {
        "turns": [f"{A}@1", f"{A}@1", f"{B}@1", f"{A}@3"]
    }
    poisoned.relay()
    assert poisoned.is_as_replayed(parity)


def test_a_policy_takes_no_step_of_a_commit_that_it_is_to_skip(poisoned: Poisoned) -> None:
    run(poisoned.policy())
    poisoned.second = False
    poisoned.repairer().skip("tells", A, ANN)
    poisoned.policy().redrive(A)
    assert [email.text for email in poisoned.mailer.sent] == ["4", "4", "4"]


def test_only_what_is_parked_is_skipped(poisoned: Poisoned) -> None:
    with pytest.raises(Refused, match="repair-not-parked"):
        poisoned.repairer().skip("piles", B, ANN)


def test_a_view_waits_while_nobody_can_say_whether_there_is_a_repair(poisoned: Poisoned) -> None:
    poisoned.corrected(GOOD)
    lossy = StoredRepairs(Lossy(poisoned.events, before=frozenset({1})))
    runner = poisoned.view(piles)
    asked = replace(runner, work=ViewWork(piles, poisoned.rows_of(piles), repairs=lossy))
    with pytest.raises(Unavailable):
        run(asked)
    assert list(poisoned.parking.all()) == []
    assert poisoned.checkpoints.read("piles", range(LANES)) == dict.fromkeys(range(LANES), -1)
    run(poisoned.view(piles))
    assert poisoned.is_as_replayed(piles)


def test_the_history_says_who_corrected_an_event_and_why(poisoned: Poisoned) -> None:
    poisoned.corrected(GOOD)
    (made,) = poisoned.events.range(A, 2, 2)
    corrected, other = events_of(made, codec, dict, poisoned.repairs)
    assert (corrected["name"], corrected["eventVersion"], corrected["body"]) == GOOD[:3]
    said = {"why": "release 7 was taken back", "by": "ann", "approvedBy": "bob"}
    assert corrected["correction"] == said
    assert other["correction"] is None
    assert made.events[0] == POISON


def test_where_everything_can_be_read_nobody_looks_for_repairs() -> None:
    class Unasked:
        def of(self, aggregate_id: str, version: int) -> Repair:
            raise AssertionError((aggregate_id, version))

    events = MemoryEvents()
    made: Commit = commit(B)._replace(events=(GOOD,))
    assert events.append(made) is None
    assert load(events, pile, B, fingerprint="", repairs=Unasked()).state == 4
    assert NO_REPAIRS.of(B, 1) == Repair()


def merged(poisoned: Poisoned) -> tuple[MemoryEvents, list[Commit]]:
    """The next generation, in which pile m has the commits of b, then those of a; and its copies."""
    green, copies = MemoryEvents(), list[Commit]()
    keys, _ = poisoned.events.scan(0, 1, None, 100)
    for stream in sorted({stream for stream, _ in keys} - {A, B}):
        for each in poisoned.events.range(stream, 1, 99):
            assert green.append(each) is None
    for stream in (B, A):
        for each in poisoned.events.range(stream, 1, 99):
            place = (stream, each.version)
            copy = each._replace(
                aggregate_id="main/pile-m", version=len(copies) + 1, root=place, source=place
            )
            assert green.put_copy(copy) is None
            copies.append(copy)
    return green, copies


def test_a_correction_holds_for_the_copy_of_its_commit_in_a_merged_stream(
    poisoned: Poisoned,
) -> None:
    poisoned.corrected(GOOD)
    green, copies = merged(poisoned)
    (copy,) = [each for each in copies if each.origin == (A, 2)]
    (original,) = poisoned.events.range(A, 2, 2)
    now = list(read(copy, codec, StoredRepairs(green)))
    assert now == list(read(original, codec, poisoned.repairs))
    with pytest.raises(UnknownEvent):
        list(read(copy, codec, NO_REPAIRS))


def test_a_reader_passes_over_the_copy_of_what_it_passes_over(poisoned: Poisoned) -> None:
    run(poisoned.view(piles))
    poisoned.repairer().skip("piles", A, ANN)
    poisoned.repairer().approve(A, 2, "reader-piles", BOB)
    green, copies = merged(poisoned)
    (copy,) = [each for each in copies if each.origin == (A, 2)]
    assert touched_by(piles, 7, copy, StoredRepairs(green)) == []
    with pytest.raises(PoisonError):
        touched_by(piles, 7, copy)


def in_green(green: MemoryEvents) -> Repairer:
    """Who repairs in the next generation, alone."""
    handler = CommandHandler(green, {CATEGORY: ""}, Clock(), pause, vault_of())
    parking = MemoryParking()
    return Repairer(
        handler, green, MemoryLog(), parking, StoredRepairs(green), {"pile": pile}, second=False
    )


def test_a_repair_that_is_made_in_a_later_generation_holds_in_the_one_after_it(
    poisoned: Poisoned,
) -> None:
    green, copies = merged(poisoned)
    (copy,) = [each for each in copies if each.origin == (A, 2)]
    made = in_green(green).correct("main/pile-m", copy.version, 0, (GOOD,), ANN)
    assert made == in_green(green).state("main/pile-m", copy.version)
    again = copy._replace(
        aggregate_id="main/pile-n", version=9, source=("main/pile-m", copy.version)
    )
    now = [each.event for each in read(again, codec, StoredRepairs(green))]
    assert now == [Added(4), Added(9)]


def test_a_repair_is_not_taken_for_that_of_a_commit_that_had_its_place_before(
    poisoned: Poisoned,
) -> None:
    green, copies = merged(poisoned)
    (copy,) = [each for each in copies if each.origin == (A, 2)]
    # Before, the place that the copy has now was another commit's, which nobody can read either.
    other = copy._replace(version=99, root=("main/pile-m", copy.version), source=(B, 99))
    assert green.put_copy(other) is None
    in_green(green).correct("main/pile-m", copy.version, 0, (GOOD,), ANN)
    with pytest.raises(UnknownEvent):
        list(read(other, codec, StoredRepairs(green)))

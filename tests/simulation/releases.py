"""Histories of two releases on one truth: the functions of both at the same steps, a front that moves.

The second release has another fold in each view, rows, checkpoints and parked streams of its own, and
the same policies. People activate one and the other, and try to deploy the second in place.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from random import Random
from typing import Any

from chalicelib.leftfold.archive.epochs import DamagedArchiveError
from chalicelib.leftfold.kernel import Email, Policy, Reaction, Recorded, Row, View
from chalicelib.leftfold.store.applications import MemoryApplications
from chalicelib.leftfold.store.checkpoints import RoutedCheckpoints, RoutedParking
from chalicelib.leftfold.store.memory import MemoryEffects
from chalicelib.leftfold.store.ports import Unavailable
from tests.simulation.clients import Call, clients
from tests.simulation.history import (
    ROUNDS,
    STEPS,
    Report,
    any_chances,
    bodies_are_wrong,
    stopped,
)
from tests.simulation.laws import (
    checkpoints_went_back,
    rows_differ,
    rows_were_wrong_on_the_way,
    something_is_missing,
    violations,
)
from tests.simulation.money import money_is_wrong
from tests.simulation.scheduler import CALM, DAY, MINUTE, Scheduler
from tests.simulation.world import POLICIES, VIEWS, World
from tools import applications
from tools.cloud import DeployError

FIRST, SECOND = "bank", "bank--second"
OWN = frozenset(view.name for view in VIEWS)


def changed(view: View) -> View:
    """The view of the second release: each row says so."""

    def fold(row: Row | None, recorded: Recorded, key: str) -> Row | None:
        made = view.fold(row, recorded, key)
        return made and {**made, "release": SECOND}

    return replace(view, fold=fold)


CHANGED = tuple(map(changed, VIEWS))
FOLDS = {
    FIRST: dict.fromkeys(OWN, "fold of the first"),
    SECOND: dict.fromkeys(OWN, "fold of the second"),
}


@dataclass
class Faults:
    """What a mutant takes away from the second release."""

    own_checkpoints: bool = True
    own_rows: bool = True
    own_ledger: bool = False
    renames_reactions: bool = False


@dataclass
class Truth(World):
    """The first release, with the truth; what happens there reaches the second one too."""

    second: World | None = None

    def _after_block(self, name: str, args: tuple[Any, ...], answer: Any) -> None:
        super()._after_block(name, args, answer)
        # The bus feeds the first one alone, so each view of the second follows the log.
        if name == "append" and answer is True and self.second is not None:
            for reader in (*VIEWS, *POLICIES):
                if reader.categories.intersection(args[0].categories):
                    self.second.wake(reader.name)

    def start_sweeper(self, after: float = 0.0) -> None:
        super().start_sweeper(after)
        if self.second is not None:
            for reader in (*VIEWS, *POLICIES):
                self.second.later(after, partial(self.second.wake, reader.name))

    def deploy_in_place(self, register: MemoryApplications) -> None:
        """A person deploys the second release into the application of the first."""
        with suppress(DeployError):
            applications.register(register, FIRST, FOLDS[SECOND])
            assert self.second is not None
            self.views = dict(self.second.views)


def beside(first: Truth, faults: Faults) -> World:
    """The second release, on the truth of the first."""
    second = World(first.scheduler, first.parts)
    for shared in (
        *("events", "table", "archive", "log", "effects", "mailer", "keys", "vault", "poisoned"),
        *("appended", "unanswered", "unplanned", "stream_records", "idle_relays"),
    ):
        setattr(second, shared, getattr(first, shared))
    checkpoints, parking = second.checkpoints, second.parking
    routed: Any = RoutedCheckpoints(
        lambda reader: (
            checkpoints if reader in OWN and faults.own_checkpoints else first.checkpoints,
            reader,
        )
    )
    second.checkpoints = routed
    own_parking: Any = RoutedParking(
        lambda reader: (parking if reader in OWN else first.parking, reader),
        lambda: [("", parking), ("", first.parking)],
    )
    second.parking = own_parking
    second.views = {view.name: second._failing(view) for view in CHANGED}
    if not faults.own_rows:
        second.rows = first.rows
    if faults.own_ledger:
        second.effects = MemoryEffects(lambda: second.now)
    if faults.renames_reactions:
        second.policies = {name: renamed(policy) for name, policy in second.policies.items()}
    first.second = second
    return second


def renamed(policy: Policy) -> Policy:
    """A policy whose reactions have other names than in the release before."""

    def react(recorded: Recorded) -> Iterator[Reaction | Email]:
        for reaction in policy.react(recorded):
            name = f"{reaction.name}-anew"
            yield (
                reaction._replace(name=name)
                if isinstance(reaction, Email)
                else replace(reaction, name=name)
            )

    return replace(policy, react=react)


@dataclass
class Front:
    """Where the stage's address leads, and what its readers were shown."""

    worlds: Mapping[str, World]
    register: MemoryApplications
    shown: list[str] = field(default_factory=list)

    def activate(self, name: str) -> None:
        """Leads to another release, if nobody else did so meanwhile."""
        self.register.activate(name, self.register.known().active)

    def read(self, view: str) -> None:
        """A reader is shown every row of a view by the release that is active."""
        active = self.register.known().active
        assert active is not None
        for key, stored in self.worlds[active].rows[view].scan():
            made_by = (stored.row or {}).get("release", FIRST)
            if stored.row is not None and made_by != active:
                self.shown.append(f"{active} has shown {view} {key}, which {made_by} has made")


def released(seed: int, faults: Faults | None = None) -> Report:
    """Runs the history of *seed*."""
    random = Random(f"releases {seed}")
    scheduler = Scheduler(random, any_chances(random, 0.0))
    first = Truth(scheduler)
    second = beside(first, faults or Faults())
    register = MemoryApplications()
    broken: list[str] = []
    calls: list[Call] = []
    for name, folds in FOLDS.items():
        applications.register(register, name, folds)
    front = Front({FIRST: first, SECOND: second}, register)
    try:
        calls = live(first, front)
        heal(first, second)
        broken += bodies_are_wrong(first)
        broken += violations(first, calls)
        broken += money_is_wrong(first)
        broken += [f"second: {law}" for law in of_second(second)]
        broken += front.shown
    except (DamagedArchiveError, Unavailable) as error:
        broken.append(f"I1: the log cannot be read: {error}")
    except Exception as error:  # noqa: BLE001 - whatever ends a history is found in its report
        broken.append(stopped(error))
    head = first.log.head().next_position
    outcomes = [call.outcome for call in calls]
    return Report(seed, scheduler.steps, head, scheduler.faults, Counter(outcomes), broken)


def of_second(second: World) -> Iterator[str]:
    """The laws of what the second release has of its own."""
    commits = [c for block in second.log.blocks(0) for c in block.commits]
    yield from something_is_missing(second, commits)
    yield from rows_differ(second, CHANGED)
    yield from rows_were_wrong_on_the_way(second, CHANGED)
    yield from checkpoints_went_back(second)


def live(first: Truth, front: Front) -> list[Call]:
    """Clients at work, functions of both releases failing, the front moving to and fro."""
    scheduler, random = first.scheduler, first.random
    for _ in range(random.choice([0, 2, 5])):
        policy, stream = random.choice(POLICIES).name, f"main/transfer-t{random.randint(1, 5)}"
        first.poisoned.add((policy, stream, random.randint(1, 3)))
    crowd = clients(first)
    for client in crowd:
        scheduler.spawn("client", client.run, mortal=False)
    for number in range(6):
        name = (SECOND, FIRST)[number % 2]
        first.later(random.uniform(0, MINUTE), partial(front.activate, name))
    for _ in range(20):
        view = random.choice(VIEWS).name
        first.later(random.uniform(0, MINUTE), partial(front.read, view))
    for _ in range(2):
        when = random.uniform(0, MINUTE)
        first.later(when, partial(first.deploy_in_place, front.register))
    scheduler.run(STEPS)
    return [call for client in crowd for call in client.calls]


def heal(first: Truth, second: World) -> None:
    """Faults stop; sweeper and redrives bring the readers of both releases to the end."""
    scheduler = first.scheduler
    scheduler.chances = CALM
    first.poisoned.clear()
    for _ in range(ROUNDS):
        scheduler.now += DAY
        first.start_sweeper()
        first.start_deadlines()
        for world in (first, second):
            for reader, aggregate_id, _ in list(world.parking.all()):
                world.start_redrive(reader, aggregate_id)
        scheduler.run(scheduler.steps + STEPS)

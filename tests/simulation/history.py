"""One history: clients and faults for a while, then calm, repairs, and the laws."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from traceback import format_exception

from chalicelib.bank.account.views import balances
from chalicelib.leftfold.archive.epochs import DamagedArchiveError
from chalicelib.leftfold.kernel.commit import canonical
from chalicelib.leftfold.projection.fold import fold
from chalicelib.leftfold.projection.rows import NEVER, StoredRow
from chalicelib.leftfold.projection.runner import seen
from chalicelib.leftfold.relay.sequencer import WARY
from chalicelib.leftfold.store.ports import Unavailable
from tests.simulation.clients import Call, clients, hurried
from tests.simulation.laws import violations
from tests.simulation.money import money_is_wrong
from tests.simulation.scheduler import CALM, DAY, HOUR, MINUTE, Chances, Scheduler
from tests.simulation.world import POLICIES, VIEWS, Parts, World

STEPS = 400_000
# More rounds than any repair takes: after each, everything that was started has ended.
ROUNDS = 6


@dataclass(frozen=True)
class Report:
    """What a history was made of, and the laws it broke."""

    seed: int
    steps: int
    commits: int
    faults: Counter[str]
    outcomes: Counter[str]
    broken: list[str]


def history(seed: int, parts: Parts | None = None) -> Report:
    """Runs the history of *seed*: the same seed, the same history."""
    random = Random(seed)
    # Drawn by itself: a history without conflicts is what it was before there were any.
    contended = Random(f"contended {seed}").choice([0.0, 0.0, 0.0, 0.05])
    scheduler = Scheduler(random, any_chances(random, contended))
    world = World(scheduler, parts or Parts())
    # Relays that race take turns in some histories, and in the others wait for a random time.
    world.wary = Random(f"turns {seed}").choice([0, 0, WARY])
    world.asks = True
    calls: list[Call] = []
    broken: list[str] = []
    try:
        calls = live(world)
        heal(world)
        broken += bodies_are_wrong(world)
        broken += violations(world, calls)
        broken += money_is_wrong(world)
        broken += what_was_told_is_wrong(world)
    except (DamagedArchiveError, Unavailable) as error:
        broken.append(f"I1: the log cannot be read: {error}")
    except Exception as error:  # noqa: BLE001 - whatever ends a history is found in its report
        broken.append(stopped(error))
    return Report(
        seed,
        scheduler.steps,
        world.log.head().next_position,
        scheduler.faults,
        Counter(call.outcome for call in calls),
        broken,
    )


def stopped(error: Exception) -> str:
    """A history that an exception ended: nothing may raise what its caller does not expect."""
    return f"stopped: {''.join(format_exception(error))}"


def bodies_are_wrong(world: World) -> Iterator[str]:
    """B1: a link has its body, and no body stays where the log is pruned.

    A relay that slept for longer than a function can live may leave one there: that is no
    fault of whoever deletes.
    """
    table = world.table
    for position, hash_ in sorted(table.links - table.bodies):
        yield f"B1: the link at {position} has no body {hash_[:8]}"
    pruned = max((segment.next_position for segment in table.segments()), default=0)
    for position, _ in sorted(table.bodies - table.late):
        if position < pruned:
            yield f"B1: a body is left at {position}, which is pruned"


def what_was_told_is_wrong(world: World) -> Iterator[str]:
    """I8: a row that was folded ahead of its view is the fold of its stream through a version that
    is not older than the one that was asked for.
    """
    states: dict[str, list[str]] = {}
    rows: dict[str, StoredRow] = {}
    for block in world.log.blocks(0):
        for position, commit in enumerate(block.commits, block.first_position):
            rows |= fold(balances, seen(balances, [(position, commit)], world.vault), rows)
            shown = rows.get(commit.aggregate_id, NEVER).row
            states.setdefault(commit.aggregate_id, []).append(canonical(shown))
    for stream, version, row in world.told:
        if canonical(row) not in states[stream][version - 1 :]:
            yield f"I8: {stream} was shown at version {version} as it never was"


def any_chances(random: Random, contended: float) -> Chances:
    """Faults for one history: some kinds rare, some frequent, some absent."""

    def chance(highest: float) -> float:
        return random.choice([0.0, highest / 10, highest / 3, highest])

    return Chances(
        crash=chance(0.01),
        zombie=chance(0.01),
        fail_before=chance(0.05),
        fail_after=chance(0.05),
        partial=chance(0.1),
        stale=chance(0.9),
        drop=chance(0.7),
        repeat=chance(0.5),
        late=chance(0.3),
        day_late=chance(0.1),
        contended=contended,
    )


def live(world: World) -> list[Call]:
    """Clients at work, functions failing, some events that a view cannot take."""
    scheduler, random = world.scheduler, world.random
    for _ in range(random.choice([0, 2, 5, 10])):
        view, key = random.choice(VIEWS).name, random.choice("abc")
        world.poisoned.add((view, f"main/account-{key}", random.randint(1, 12)))
    for _ in range(random.choice([0, 2, 5])):
        policy, stream = random.choice(POLICIES).name, f"main/transfer-t{random.randint(1, 5)}"
        world.poisoned.add((policy, stream, random.randint(1, 3)))
    world.bus_is_down_until = random.choice([0.0, 0.0, 0.0, 10.0, DAY])
    crowd = hurried(world) if world.parts.hurries else clients(world)
    for client in crowd:
        scheduler.spawn("client", client.run, mortal=False)
    for _ in range(random.randint(0, 3)):
        world.start_sweeper(after=random.uniform(0, 10 * MINUTE))
    for _ in range(random.choice([0, 2, 4])):
        world.start_pruner(after=random.choice([HOUR, DAY]) + random.uniform(0, 10 * MINUTE))
    for _ in range(random.randint(0, 5)):
        world.start_deadlines(after=random.uniform(0, 10 * MINUTE))
    scheduler.run(STEPS)
    return [call for client in crowd for call in client.calls]


def heal(world: World) -> None:
    """Faults stop, the views are mended; sweeper and redrives bring all to the end."""
    world.scheduler.chances = CALM
    world.poisoned.clear()
    world.bus_is_down_until = 0.0
    for _ in range(ROUNDS):
        world.scheduler.now += DAY
        world.start_sweeper()
        world.start_pruner()
        world.start_deadlines()
        for view, aggregate_id, _ in list(world.parking.all()):
            world.start_redrive(view, aggregate_id)
        world.scheduler.run(world.scheduler.steps + STEPS)

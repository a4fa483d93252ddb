"""One run: writers and functions at once, with faults; then calm, repairs and the laws."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from random import Random
from threading import Lock

from tests.engines.deployment import Deployment
from tests.engines.functions import Functions, catch_up
from tests.engines.left import balances_are_wrong, left_by, stuck_rows
from tests.engines.plan import Plan, Report
from tests.engines.shards import Shards
from tests.engines.writers import Writer
from tests.simulation.laws import violations

THREADS = 64

Progress = Callable[[str, int], None]


def run(
    plan: Plan,
    url: str,
    shards: Shards | None = None,
    progress: Progress = lambda _phase, _done: None,
) -> Report:
    """Runs *plan* on the DynamoDB at *url*; the bus is *shards*, or else in this process.

    *progress* is told each phase, and how many commands it has seen acknowledged.
    """
    report = Report(plan)
    deployment = Deployment(url, plan.seed, plan.rate)
    if plan.poison:
        deployment.poisoned.add(plan.poisoned)
    with report.timed("writing"):
        functions = Functions(plan, deployment, url, shards)
        writers = live(plan, deployment, functions, Counting(plan, shards, progress))
        deployment.calm_down()
        if shards:
            shards.faults.stop()
    calls = [call for writer in writers for call in writer.calls]
    note(report, deployment, functions, writers, shards)
    progress("repairing", plan.commits)
    with report.timed("repairing"):
        heal(report, deployment)
    progress("checking", plan.commits)
    with report.timed("checking"):
        left = left_by(deployment)
        report.broken = [*violations(left, calls), *balances_are_wrong(left, calls)]
    report.commits, report.blocks = left.log.head().next_position, len(list(left.log.blocks(0)))
    return report


class Counting:
    """Counts acknowledged commands; a third and two thirds of the way, reshards the bus."""

    def __init__(self, plan: Plan, shards: Shards | None, progress: Progress) -> None:
        self._goal = plan.commits
        self._shards = shards
        self._progress = progress
        self._count = 0
        self._lock = Lock()

    def __call__(self) -> None:
        with self._lock:
            self._count += 1
            count = self._count
        self._progress("writing", count)
        if self._shards and count == self._goal // 3:
            self._shards.split()
        if self._shards and count == 2 * self._goal // 3:
            self._shards.merge()


def live(
    plan: Plan, deployment: Deployment, functions: Functions, acknowledged: Callable[[], None]
) -> list[Writer]:
    """Writers until each has had its share of the commits, and all functions beside them."""
    writers = [
        Writer(
            # Two deployments of the code at once: each passes over the other's snapshots.
            deployment.bank(f"fold-{number % 2}"),
            Random(plan.seed * 100 + number),
            plan.keys[number :: plan.writers],
            plan.keys,
            len(range(number, plan.commits, plan.writers)),
            acknowledged,
        )
        for number in range(plan.writers)
    ]
    with ThreadPoolExecutor(THREADS) as threads:
        running = [threads.submit(code) for code in functions.all()]
        try:
            results([threads.submit(writer.run) for writer in writers])
        finally:
            functions.end()
        results(running)
    return writers


def results(futures: Iterable[Future[None]]) -> None:
    """Waits for all; raises what one of them raised."""
    for future in futures:
        future.result()


def note(
    report: Report,
    deployment: Deployment,
    functions: Functions,
    writers: list[Writer],
    shards: Shards | None,
) -> None:
    """What went on while there were faults."""
    faults = deployment.faults | ({"kinesis": shards.faults} if shards else {})
    report.outcomes = Counter(call.outcome for writer in writers for call in writer.calls)
    report.again = sum(writer.again for writer in writers)
    report.requests = {role: f.requests for role, f in faults.items()}
    report.struck = sum((f.struck for f in faults.values()), Counter())
    report.failed = functions.failed
    report.dropped = sum(mailbox.dropped for mailbox in functions.mailboxes)
    report.repeated = sum(mailbox.repeated for mailbox in functions.mailboxes)


def heal(report: Report, deployment: Deployment) -> None:
    """Sweeps until nothing is left to do; then mends the views and redrives what is parked."""
    services = deployment.services()
    report.swept = sweep(deployment)
    report.parked = [(view, stream) for view, stream, _ in services.parking.all()]
    if report.parked:
        report.stuck = stuck_rows(services)
    deployment.poisoned.clear()
    for view, aggregate_id in report.parked:
        services.reader(view).redrive(aggregate_id)


def sweep(deployment: Deployment) -> int:
    """Whole rounds, until one finds nothing to log and nobody behind; the commits logged."""
    wakes: list[str] = []
    sweeper = deployment.relaying(None, NoBus(), Bell(wakes)).sweeper
    services = deployment.services()
    logged = 0
    is_quiet = False
    while not is_quiet:
        is_quiet = True
        is_round = False
        while not is_round:
            done = sweeper.run()
            is_round = done.is_round
            logged += done.logged
            is_quiet = is_quiet and not (done.logged or done.woken)
            while wakes:
                catch_up(services.reader(wakes.pop()))
    return logged


class NoBus:
    """A bus on which nothing arrives."""

    def publish(self, records: object) -> None:
        """Loses *records*."""


class Bell:
    """A waker that notes who was woken."""

    def __init__(self, wakes: list[str]) -> None:
        self._wakes = wakes

    def wake(self, function: str, _wanted: Mapping[str, int] = {}) -> None:
        """Notes *function*."""
        self._wakes.append(function)

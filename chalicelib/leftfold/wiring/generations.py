"""The generations of a stage: who owns a stream, and for a later one the ways between two truths.

A generation that has no earlier one makes none of this before it meets a bar.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial

from chalicelib.leftfold.archive.events import ArchivedEvents
from chalicelib.leftfold.archive.segments import SegmentedLog
from chalicelib.leftfold.generations.control import number_of
from chalicelib.leftfold.generations.copier import Copier
from chalicelib.leftfold.generations.copying import Copying, Truth
from chalicelib.leftfold.generations.operating import Operator
from chalicelib.leftfold.generations.owner import GenerationOwner
from chalicelib.leftfold.generations.passing import Passed, passed_of
from chalicelib.leftfold.generations.proving import Prover
from chalicelib.leftfold.generations.taking import Taker
from chalicelib.leftfold.kernel import Boundaries, Commit
from chalicelib.leftfold.metrics import emit
from chalicelib.leftfold.store.checkpoints import DynamoCheckpoints, DynamoParking
from chalicelib.leftfold.store.events import DynamoEvents
from chalicelib.leftfold.store.log import DynamoLog, LogTables
from chalicelib.leftfold.store.ports import Archive
from chalicelib.leftfold.wiring.services import Services


class Generations:
    """What `Services` has of generations. Raises LookupError where an earlier truth is needed and
    LEFTFOLD_EARLIER names none.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._settings = services.settings

    @cached_property
    def owner(self) -> GenerationOwner:
        """Hands streams over to this generation's commands.

        The earlier of two generations has none of the transforms. It asks the later one's function.
        """
        earlier = self._settings.earlier is not None
        is_over = not earlier and self._settings.ordinal > 0
        return GenerationOwner(
            self._settings.truth,
            self._services.control,
            not earlier,
            self.there if earlier else None,
            self._ask,
            self.boundaries if is_over else None,
        )

    def _ask(self, later: str, aggregate_id: str) -> None:
        self._services.stage_waker.wake(f"{later}-taker", {aggregate_id: 0})

    @cached_property
    def boundaries(self) -> Boundaries:
        """Where the streams of the earlier generation go."""
        transforms = self._services.domain.boundaries.transforms
        return Boundaries(transforms, self._settings.ordinal)

    @cached_property
    def own(self) -> Truth:
        """This generation's truth."""
        services = self._services
        logs = self._settings.logs
        return self._truth(self._settings.truth, services.archive, logs, first=False)

    @cached_property
    def earlier(self) -> Truth:
        """The earlier generation's truth, before which there is none any more."""
        logs = self._settings.earlier_logs
        return self._truth(self._earlier, self._services.earlier_archive, logs, first=True)

    @cached_property
    def there(self) -> Taker:
        """Takes streams from the earlier generation."""
        return self._ways[0]

    @cached_property
    def back(self) -> Taker | None:
        """Gives streams back; None where a transform has no inverse."""
        return self._ways[1]

    @cached_property
    def copier(self) -> Copier:
        services = self._services
        return Copier(
            self.there.copying, services.checkpoints, services.parking, services.side_by_side
        )

    @cached_property
    def operator(self) -> Operator:
        services = self._services
        return Operator(
            services.control,
            self.copier,
            self.there,
            self.back,
            services.checkpoints,
            services.parking,
            services.side_by_side,
        )

    def prover(self, switch: int) -> Prover:
        """Proves the generation to which this switch led: the later one, or the earlier one once it
        has its streams back.
        """
        services = self._services
        way = self.there if switch % 2 or not switch or self.back is None else self.back
        return Prover(
            way.copying,
            services.domain.invariants,
            services.vault,
            services.archive,
            services.checkpoints,
            services.pause,
        )

    def passed(self, policy: str) -> Passed:
        """What the policy stored under this name has passed in the earlier generation."""
        return passed_of(policy, *self._progress)

    def begun_before(self, policy: str) -> bool:
        """Whether the policy has run in the earlier generation."""
        checkpoints, _ = self._progress
        return any(of.read(policy, [0])[0] >= 0 for of in checkpoints.values())

    @cached_property
    def _progress(self) -> tuple[Mapping[str, DynamoCheckpoints], DynamoParking]:
        client, earlier = self._services.dynamodb, self._earlier
        table = f"{earlier}-policy-checkpoints"
        return (
            {name: DynamoCheckpoints(client, table, name) for name in self._settings.earlier_logs},
            DynamoParking(client, f"{earlier}-policy-parked"),
        )

    @property
    def _earlier(self) -> str:
        if self._settings.earlier is None:
            raise LookupError(
                f"{self._settings.truth} follows no earlier generation: LEFTFOLD_EARLIER is not set;"
                " `leftfold generation create NAME --transform` makes one that does"
            )
        return self._settings.earlier

    @cached_property
    def _ways(self) -> tuple[Taker, Taker | None]:
        """The ways there and back, each of which completes what the other has begun."""
        there = self._taker(self.earlier, self.own, self.boundaries)
        reverse = self.boundaries.back()
        back = self._taker(self.own, self.earlier, reverse) if reverse else None
        return replace(there, opposite=back), replace(back, opposite=there) if back else None

    def _taker(self, giver: Truth, receiver: Truth, boundaries: Boundaries) -> Taker:
        services = self._services
        copying = Copying(
            giver, receiver, boundaries, services.aggregates, services.vault, copied_as_it_is
        )
        return Taker(copying, services.pause, partial(number_of, services.control))

    def _truth(self, name: str, archive: Archive, logs: Sequence[str], *, first: bool) -> Truth:
        services = self._services
        table = DynamoEvents(services.dynamodb, f"{name}-events")
        tables = LogTables(*(f"{name}-{each}" for each in LogTables._fields))
        main, *others = logs

        def log(of: str) -> SegmentedLog:
            return SegmentedLog(DynamoLog(services.dynamodb, tables, of), archive)

        def sequence(wanted: Mapping[str, int]) -> None:
            services.stage_waker.wake(f"{name}-relay", wanted)

        return Truth(
            name,
            table,
            ArchivedEvents(table, archive),
            log(main),
            sequence,
            first,
            {each: log(each) for each in others},
        )


def copied_as_it_is(commit: Commit, reason: str) -> None:
    """Tells people of a commit on which the transform failed behind a bar."""
    stream = f"{commit.aggregate_id} {commit.version}"
    emit("CommitsCopiedAsTheyAre", 1, commit=stream, reason=reason)

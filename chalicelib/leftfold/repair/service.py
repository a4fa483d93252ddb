"""Proposes and approves repairs, once it has looked whether they fit."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from chalicelib.leftfold.commands.handler import CommandHandler, CommandRequest, body_hash
from chalicelib.leftfold.commands.loading import load
from chalicelib.leftfold.kernel import (
    ERASED,
    Aggregate,
    AggregateId,
    Codec,
    Commit,
    Refused,
    StoredEvent,
    to_json,
)
from chalicelib.leftfold.kernel.commit import canonical
from chalicelib.leftfold.kernel.personal import values_at
from chalicelib.leftfold.kernel.repair import Correction, Repair
from chalicelib.leftfold.repair.domain import (
    MOST_EVENTS,
    Approve,
    Command,
    Propose,
    ReadAs,
    Repaired,
    Withdraw,
    repair,
    stream_of,
)
from chalicelib.leftfold.repair.stored import StoredRepairs
from chalicelib.leftfold.store.following import logged_at
from chalicelib.leftfold.store.ports import EventStore, Log, Parking
from chalicelib.leftfold.subjects.opening import BLIND

AUTHORITY = "operator"


class Asked(NamedTuple):
    """Who asks for a repair and why; *command_id* is the same in all attempts."""

    by: str
    why: str
    command_id: str


@dataclass(frozen=True)
class Trial:
    """`Repairs` as they would be if a correction was in effect."""

    stream: str
    version: int
    index: int
    correction: Correction
    others: StoredRepairs

    def of(self, aggregate_id: str, version: int) -> Repair:
        found = self.others.of(aggregate_id, version)
        if (aggregate_id, version) != (self.stream, self.version):
            return found
        return found._replace(corrections={**found.corrections, self.index: self.correction})


@dataclass(frozen=True)
class Repairer:
    """Repairs commits of *aggregates*; *second* says that another person has to approve each."""

    handler: CommandHandler
    events: EventStore
    log: Log
    parking: Parking
    repairs: StoredRepairs
    aggregates: Mapping[str, Aggregate]
    second: bool

    def correct(
        self, stream: str, version: int, index: int, reads_as: Sequence[StoredEvent], asked: Asked
    ) -> Repaired:
        """Has one stored event of a commit read as others, or as none, by every reader.

        Only an event that today's code cannot decode: no reader has passed it then, so none has
        seen it otherwise. Raises `Refused` and what the handler raises.
        """
        aggregate = self.aggregates.get(AggregateId.parse(stream).category)
        commits = self.events.range(stream, version, version) if aggregate else ()
        if aggregate is None or not commits or not 0 <= index < len(commits[0].events):
            raise Refused("repair-event-missing")
        (commit,) = commits
        self._check(aggregate, commit, index, reads_as)
        kept = tuple(ReadAs(part.name, part.version, canonical(part.body)) for part in reads_as)
        of = f"event-{commit.root_index(index)}"
        command = Propose(stream, version, of, asked.why, asked.by, self.second, kept)
        return self._execute(stream, version, command, asked)

    def skip(self, reader: str, stream: str, asked: Asked) -> Repaired:
        """Has the reader that is stored as *reader* pass over the commit on which it has parked
        *stream*. The reader's rows lack the commit then, or its step is not taken.
        """
        parked = self.parking.find(reader, [stream]).get(stream)
        if parked is None:
            raise Refused("repair-not-parked")
        # A tenant that an ordered view has parked is one that failed on some stream's commit.
        failed = logged_at(self.log, parked.first)
        of = f"reader-{reader}"
        command = Propose(failed.aggregate_id, failed.version, of, asked.why, asked.by, self.second)
        return self._execute(failed.aggregate_id, failed.version, command, asked)

    def approve(self, stream: str, version: int, of: str, asked: Asked) -> Repaired:
        """Puts a repair into effect."""
        return self._execute(stream, version, Approve(of, asked.by), asked)

    def withdraw(self, stream: str, version: int, of: str, asked: Asked) -> Repaired:
        """Takes back a repair that is not in effect."""
        return self._execute(stream, version, Withdraw(of, asked.by), asked)

    def _check(
        self, aggregate: Aggregate, commit: Commit, index: int, reads_as: Sequence[StoredEvent]
    ) -> None:
        if len(reads_as) > MOST_EVENTS:
            raise Refused("repair-unreadable", reason=f"at most {MOST_EVENTS} events")
        # Without its personal data, for which no reader's code is at fault.
        if is_readable(aggregate, commit.blind().events[index]):
            raise Refused("repair-not-needed")
        correction = Correction(tuple(reads_as), "", "", "")
        trial = Trial(*commit.origin, commit.root_index(index), correction, self.repairs)
        try:
            for part in reads_as:
                for event in aggregate.codec.decode(part):
                    check_impersonal(aggregate.codec, aggregate.codec.encode(event))
            # The rules must be able to go on from there.
            load(
                self.events,
                aggregate,
                commit.aggregate_id,
                fingerprint="",
                vault=BLIND,
                consistent=True,
                below=commit.version + 1,
                repairs=trial,
            )
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            raise Refused("repair-unreadable", reason=reason) from error

    def _execute(self, stream: str, version: int, command: Command, asked: Asked) -> Repaired:
        self.handler.execute(
            CommandRequest(
                aggregate=repair,
                aggregate_id=stream_of(*self._origin(stream, version)),
                command=command,
                command_id=asked.command_id,
                body_hash=body_hash("repair", to_json(command)),
                actor=asked.by,
                authority=AUTHORITY,
                correlation_id=asked.command_id,
                deps=((stream, version),),
            )
        )
        return self.state(stream, version)

    def state(self, stream: str, version: int) -> Repaired:
        """All repairs of the commit at this place, those that are not in effect too."""
        return self.repairs.state(*self._origin(stream, version))

    def _origin(self, stream: str, version: int) -> tuple[str, int]:
        """Under what the repairs of the commit at this place are kept. A place at which nothing is
        may be that of an earlier generation.
        """
        for commit in self.events.range(stream, version, version):
            return commit.origin
        return stream, version

    def all(self) -> Iterator[Repaired]:
        """Every repair that is in the log, in no order."""
        for stream, _ in self.log.registry():
            if AggregateId.parse(stream).category == repair.category:
                state, _ = self.handler.state(repair, stream)
                yield state


def is_readable(aggregate: Aggregate, stored: StoredEvent) -> bool:
    """Whether today's code reads a stored event by itself."""
    try:
        aggregate.codec.decode(stored)
    except Exception:  # noqa: BLE001 - an upcast may raise anything
        return False
    return True


def check_impersonal(codec: Codec[Any], event: StoredEvent) -> None:
    """Raises ValueError for an event with personal data: a correction is kept as it is, for ever."""
    for field in codec.personal(event.name):
        for path, owner in values_at(event.body, field.path):
            if owner[path[-1]] != ERASED:
                name = ".".join(path)
                raise ValueError(
                    f"{name} is personal, and a correction is not sealed: say {ERASED!r}"
                )

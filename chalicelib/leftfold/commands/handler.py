"""Handles a command: load, decide, append, and all of it again if another writer was faster."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from chalicelib.leftfold.commands.loading import (
    RECENT_COMMANDS,
    SNAPSHOT_EVERY,
    Loaded,
    load,
    look_back_to,
    looked_back,
)
from chalicelib.leftfold.commands.owning import ALONE, MovedError, Owner, Successor
from chalicelib.leftfold.kernel import (
    Aggregate,
    Commit,
    Refused,
    Snapshot,
)
from chalicelib.leftfold.kernel.commit import canonical, instant, traceparent_of
from chalicelib.leftfold.kernel.repair import NO_REPAIRS, Repairs
from chalicelib.leftfold.store.ports import (
    BarredError,
    ContendedError,
    EventStore,
    StreamVersion,
)
from chalicelib.leftfold.subjects.vault import Vault, sealed_snapshot, subjects_of

COMMAND_ATTEMPTS = 12
# Less than any caller waits (docs/adr/0005). A caller that no longer waits may have asked again
# and been refused; a success of this attempt would make that answer false.
DECIDE_WITHIN = timedelta(seconds=20)


@dataclass(frozen=True)
class CommandRequest:
    """A command to one aggregate.

    *command_id* is the same in all attempts. *body_hash* distinguishes a retry from another
    command that reuses the id. *expected* are the versions that `If-Match` allows.

    *opens* says that the command begins a stream: its first attempt needs no load.
    *may_repeat* is False if the id was made for this request, so that no earlier attempt can
    exist. *addressed* is the stream that the client names, if that has become this one.
    *moved_from* is such a stream too, for a command whose id no other one has: an earlier attempt
    of it may have been sent there, or here.
    *authority* is the right by which *actor* acts. *traceparent* is the W3C header that
    came with the request, None if none did. *unless* is the key of a commit in another stream.
    The command is taken only if that commit does not exist, because the decision was made
    without it. *leaves_out* says that personal data of a forgotten subject is left out of the
    events. Without it, such a command is refused, so that its sender can word it otherwise.
    """

    aggregate: Aggregate
    aggregate_id: str
    command: Any
    command_id: str
    body_hash: str
    actor: str
    correlation_id: str
    expected: frozenset[int] | None = None
    opens: bool = False
    may_repeat: bool = True
    deps: tuple[tuple[str, int], ...] = ()
    unless: StreamVersion | None = None
    authority: str = "none"
    traceparent: str | None = None
    leaves_out: bool = False
    addressed: str | None = None
    moved_from: str | None = None


class VersionMismatchError(Exception):
    """The stream is at a version that `If-Match` does not allow."""

    def __init__(self, version: int) -> None:
        super().__init__(f"the aggregate is at version {version}")
        self.version = version


class KeyReusedError(Exception):
    """The command id was used before, for another command."""


class ContentionError(Exception):
    """Other writers were faster in every attempt that the time allowed."""


@dataclass(frozen=True)
class CommandHandler:
    """Executes commands on an event store.

    *fingerprints* maps each category to the fingerprint of its fold. *pause* takes the number
    of the attempt that has failed and waits, with jitter, before the next one. *vault* seals
    what is written and opens what is read. *repairs* are asked for a commit that cannot be
    decoded. *owner* hands over the streams that another generation owns.
    """

    events: EventStore
    fingerprints: Mapping[str, str]
    clock: Callable[[], datetime]
    pause: Callable[[int], None]
    vault: Vault
    repairs: Repairs = NO_REPAIRS
    owner: Owner = ALONE

    def execute(self, request: CommandRequest) -> int:
        """The version of the command's commit, made now or in an earlier attempt.

        Raises `Refused`, `VersionMismatchError`, `KeyReusedError`, `ContentionError`,
        `StreamAdvancedError`, `CommitTooLargeError` and `NotOwnedError`: then this call wrote
        nothing. Raises `Unavailable` if the outcome is unknown: a retry with the same command id
        answers it.
        """
        started = self.clock()
        if request.opens and self.owner.first:
            loaded = Loaded(0, request.aggregate.decider.initial)
        else:
            loaded = self._load(request, consistent=False)
        for attempt in range(1, COMMAND_ATTEMPTS + 1):
            if self.clock() - started > DECIDE_WITHIN:
                break
            earlier = self._earlier(request, loaded)
            if earlier is not None:
                return earlier
            if not loaded.owned:
                loaded = self._handed_over(request, loaded)
                continue
            try:
                commit = self._commit(request, loaded, self._decided(request, loaded))
            except (Refused, VersionMismatchError) as refusal:
                if loaded.consistent:
                    if isinstance(refusal, Refused):
                        refusal.version = loaded.version
                    raise
                loaded = self._load(request, consistent=True, checked=loaded.version)
                continue
            version = self._append(request, commit)
            if version is not None:
                return version
            self.pause(attempt)
            loaded = self._load(request, consistent=True, checked=loaded.version)
        raise ContentionError(request.aggregate_id)

    def _decided(self, request: CommandRequest, loaded: Loaded) -> list[Any]:
        """What `decide` says of a stream that is owned. Raises `IdMovedError`."""
        if not loaded.version:
            self.owner.check_id(request.aggregate_id)
        return decide(request, loaded)

    def _append(self, request: CommandRequest, commit: Commit) -> int | None:
        """The version of the command's commit; None if the version is another's."""
        with suppress(ContendedError, BarredError):
            holder = self.events.append(commit, request.unless)
            if holder is None:
                return commit.version
            if holder.addressed is None and holder.command_id == request.command_id:
                return accepted(holder.version, holder.body_hash, request)
        return None

    def taken(self, request: CommandRequest) -> int | None:
        """The version of the command's commit; None if no attempt has made one, or ever will
        unless it is sent again.

        The stream is read consistently. Raises `KeyReusedError`, `NotOwnedError` and
        `Unavailable`.
        """
        loaded = self._load(request, consistent=True)
        earlier = self._earlier(request, loaded)
        if loaded.owned and not loaded.version:
            self.owner.check_id(request.aggregate_id)
        if earlier is not None or loaded.owned:
            return earlier
        again = owned(
            self.owner, request.aggregate_id, lambda: self._load(request, consistent=True)
        )
        return self._earlier(request, again)

    def state(self, aggregate: Aggregate, aggregate_id: str) -> tuple[Any, int]:
        """An aggregate's state and its version, read consistently by the stream's owner.

        Raises `NotOwnedError` and `Unavailable`.
        """
        fingerprint = self.fingerprints[aggregate.category]
        loaded = owned(
            self.owner,
            aggregate_id,
            lambda: load(
                self.events,
                aggregate,
                aggregate_id,
                fingerprint=fingerprint,
                vault=self.vault,
                consistent=True,
                repairs=self.repairs,
            ),
        )
        return loaded.state, loaded.version

    def _earlier(self, request: CommandRequest, loaded: Loaded) -> int | None:
        """The version that an earlier attempt made, whoever owns the stream; None if none did."""
        found = loaded.version_of(request.command_id, request.addressed)
        if found is None and request.moved_from is not None:
            found = loaded.version_of(request.command_id, request.moved_from)
        return None if found is None else accepted(found[0], found[1].hex(), request)

    def found_in(
        self, request: CommandRequest, successors: Sequence[Successor]
    ) -> tuple[str, int] | None:
        """The stream and the version of a command to an id that has become others (`IdMovedError`);
        None if no attempt has made one. Raises `NotOwnedError` and `Unavailable`.
        """
        for successor in successors:
            moved = replace(
                request,
                aggregate_id=successor.aggregate_id,
                addressed=successor.addressed,
                opens=False,
            )
            version = self.taken(moved)
            if version is not None:
                return successor.aggregate_id, version
        return None

    def _handed_over(self, request: CommandRequest, loaded: Loaded) -> Loaded:
        """The stream, which was not owned when it was loaded, as it is then. Raises `NotOwnedError`.

        A stream that is in no generation is taken for a command that creates it alone. Another
        command is refused here, and leaves no bar. Raises `Refused` and `VersionMismatchError`.
        """
        if not loaded.consistent:
            return self._load(request, consistent=True, checked=loaded.version)
        if is_absent(loaded) and self.owner.is_nowhere(request.aggregate_id):
            try:
                decide(request, loaded)
            except Refused as refusal:
                refusal.version = 0
                raise
        self.owner.take(request.aggregate_id)
        taken = self._load(request, consistent=True, checked=loaded.version)
        return as_taken(taken)

    def _load(self, request: CommandRequest, *, consistent: bool, checked: int = 0) -> Loaded:
        """The stream, with all commands after version *checked* that an earlier attempt of the
        request can have made.
        """
        loaded = load(
            self.events,
            request.aggregate,
            request.aggregate_id,
            fingerprint=self.fingerprints[request.aggregate.category],
            vault=self.vault,
            consistent=consistent,
            repairs=self.repairs,
        )
        # Not with `owns`: a stream without items is the first generation's.
        if not loaded.version and not self.owner.first:
            loaded = replace(loaded, owned=False)
        if not request.may_repeat:
            return loaded
        since = look_back_to(request.command_id, self.clock())
        return looked_back(self.events, request.aggregate_id, loaded, since=since, checked=checked)

    def _commit(self, request: CommandRequest, loaded: Loaded, new_events: list[Any]) -> Commit:
        """The commit of *new_events*, sealed. Raises `Refused` for data of a forgotten subject."""
        aggregate, version = request.aggregate, loaded.version + 1
        begins = aggregate.begins_epoch(new_events)
        due = loaded.folded >= SNAPSHOT_EVERY and not begins
        events = tuple(map(aggregate.codec.encode, new_events))
        commit = Commit(
            aggregate_id=request.aggregate_id,
            version=version,
            events=events,
            command_id=request.command_id,
            body_hash=request.body_hash,
            at=instant(self.clock()),
            actor=request.actor,
            authority=request.authority,
            correlation_id=request.correlation_id,
            traceparent=request.traceparent or traceparent_of(request.command_id),
            deps=request.deps,
            epoch=loaded.epoch + (begins and version > 1),
            epoch_start=version if begins else loaded.epoch_start,
            recent_commands=tuple(loaded.commands[:RECENT_COMMANDS]) if due or begins else None,
        )
        sealed = self.vault.seal(
            aggregate.codec, commit, loaded.subjects, leave_out=request.leaves_out
        )
        if not due:
            return sealed
        return sealed._replace(snapshot=self._snapshot(aggregate, loaded, sealed))

    def _snapshot(self, aggregate: Aggregate, loaded: Loaded, commit: Commit) -> Snapshot | None:
        # Folded from what is stored, as a load without the snapshot folds it.
        (opened,) = self.vault.opened([commit])
        codec = aggregate.codec
        read = [read for event in opened.events for read in codec.decode(event.as_read())]
        state = aggregate.decider.fold(read, loaded.state)
        made = Snapshot(self.fingerprints[aggregate.category], aggregate.to_snapshot(state))
        return sealed_snapshot(self.vault, commit, made, loaded.subjects | subjects_of([commit]))


def owned(owner: Owner, aggregate_id: str, read: Callable[[], Loaded]) -> Loaded:
    """The stream as its owner reads it, consistently. One that is in no generation is empty.

    Raises `NotOwnedError` and `Unavailable`.
    """
    loaded = read()
    if loaded.owned and loaded.version:
        return loaded
    if loaded.owned and owner.first:
        owner.check_id(aggregate_id)
        return loaded
    if is_absent(loaded) and owner.is_nowhere(aggregate_id):
        return loaded
    owner.take(aggregate_id)
    taken = as_taken(read())
    if not taken.owned:
        raise MovedError(aggregate_id)
    return taken


def is_absent(loaded: Loaded) -> bool:
    """Whether the stream has no item here. One with a bar alone is taken rather than refused: the
    bar would be in the way of whoever records the refusal.
    """
    return loaded.version == 0 and not loaded.barred


def as_taken(loaded: Loaded) -> Loaded:
    """The stream as it was read after it was taken over: without items, it is owned too."""
    return replace(loaded, owned=True) if is_absent(loaded) else loaded


def decide(request: CommandRequest, loaded: Loaded) -> list[Any]:
    """The events of the command; at least one.

    Raises `VersionMismatchError` and the rules' `Refused`, and TypeError if the rules neither
    refuse the command nor give an event.
    """
    current = range(loaded.eventful, loaded.version + 1)
    if request.expected is not None and request.expected.isdisjoint(current):
        raise VersionMismatchError(loaded.version)
    # Rules may yield their events; a generator does not show whether it has any.
    new_events = list(request.aggregate.decider.decide(request.command, loaded.state))
    if not new_events:
        name = type(request.command).__name__
        raise TypeError(f"the command {name} was neither refused nor led to an event")
    return new_events


def accepted(version: int, body_hash: str, request: CommandRequest) -> int:
    """*version*, if its commit was made by this command. Raises `KeyReusedError` if it was not."""
    if body_hash != request.body_hash:
        raise KeyReusedError(request.command_id)
    return version


def body_hash(name: str, body: Any, parts: Mapping[str, Any] | None = None) -> str:
    """A hash, 8 bytes in hex, of everything that a command asks of its stream.

    *name* is the kind of command. It never changes, because commits keep the hash. *parts* are
    the parts of the path besides the stream, such as the year to close. *body* is JSON.
    """
    return hashlib.sha256(canonical([name, parts or {}, body]).encode()).hexdigest()[:16]

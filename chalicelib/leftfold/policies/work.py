"""What a policy does about commits: commands with one answer each, effects decided once."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Literal, NamedTuple

from chalicelib.leftfold.commands.handler import (
    CommandHandler,
    CommandRequest,
    ContentionError,
    body_hash,
)
from chalicelib.leftfold.kernel import (
    Aggregate,
    AggregateId,
    Commit,
    Email,
    Policy,
    Reaction,
    Recorded,
    Refused,
    to_json,
)
from chalicelib.leftfold.kernel.uuid7 import uuid7
from chalicelib.leftfold.policies.mailing import Mailer, SendingStoppedError
from chalicelib.leftfold.projection.fold import PoisonError, category_of, poison, recorded_of
from chalicelib.leftfold.projection.runner import PASS_ATTEMPTS, Outcome, OvertakenError, Pause
from chalicelib.leftfold.store.ports import (
    CallRefusedError,
    EffectKey,
    Effects,
    StreamAdvancedError,
    StreamVersion,
    Unavailable,
)

# Each is some calls to DynamoDB; a pass should not take long, for another may be at it.
SIZE = 100

# How long others of the pass wait for a step that AWS keeps waiting. Lambda ends the function
# after a minute, and if it did so each time before the process is parked, no other went on.
ACT_WITHIN = timedelta(seconds=20)

# Errors of what was asked; any other that AWS refuses with is about who asks.
OF_THE_STEP = {"TransactionCanceledException", "ValidationException"}

Commits = Sequence[tuple[int, Commit]]
# Applies a function to each stream's commits: one after another, or side by side.
Spread = Callable[
    [Callable[[Commits], PoisonError | None], Iterable[Commits]], Iterable[PoisonError | None]
]


class AnswerRefusedError(Exception):
    """A process did not take the answer of its step: something has moved it meanwhile."""


class Cause(NamedTuple):
    """What leads to a command or an effect: an event, its commit, and the number of the
    command or effect among all that the commit leads to.
    """

    recorded: Recorded
    commit: Commit
    number: int

    def command_id(self, policy: str, purpose: str) -> str:
        """The same one whenever, and by whomever, the step is taken."""
        name = f"{policy} {self.recorded.position} {self.number} {purpose}"
        moment = datetime.fromisoformat(self.commit.at)
        entropy = hashlib.sha256(name.encode()).digest()
        return uuid7(int(moment.timestamp() * 1000), entropy)


@dataclass(frozen=True)
class PolicyWork:
    """`Work` of a policy. *owner* names this invocation in the ledger of effects.

    A step that is awaited has one answer, whoever takes it (docs/adr/0010). Its process is
    read first, consistently. While that awaits the step, the command is taken on condition that the
    process has not moved; a refusal is recorded on condition that the aggregate that
    refused has not. A process that awaits no longer may have been answered by a command
    that was taken before, and whose taker died: it is looked for once more.
    """

    policy: Policy
    handler: CommandHandler
    effects: Effects
    mailer: Mailer
    owner: str
    pause: Pause
    spread: Spread
    size: int | None = SIZE

    @property
    def name(self) -> str:
        return self.policy.name

    @property
    def fed(self) -> Literal["log"]:
        return self.policy.fed

    def hears(self, aggregate_id: str) -> bool:
        return self._process(aggregate_id) is not None

    def take(self, commits: Commits) -> Outcome:
        """Takes each stream's steps in order, up to one that fails.

        Raises `OvertakenError` if another is at work on one of the effects, and
        `SendingStoppedError` if none can be sent now.
        """
        streams: dict[str, list[tuple[int, Commit]]] = {}
        for position, commit in commits:
            streams.setdefault(commit.aggregate_id, []).append((position, commit))
        failures = self.spread(self._take_stream, streams.values())
        poisons = {failure.aggregate_id: failure for failure in failures if failure}
        return Outcome(done=True, poisons=poisons, rejected={})

    def _take_stream(self, commits: Commits) -> PoisonError | None:
        try:
            for position, commit in commits:
                for step in self._steps(position, commit):
                    self._persist(position, commit, step)
        except PoisonError as failure:
            return failure
        return None

    def _steps(self, position: int, commit: Commit) -> Iterator[Callable[[], None]]:
        """What the commit leads to, in order. Raises `PoisonError`."""
        try:
            led_to = [
                (recorded, reaction)
                for recorded in recorded_of(self._heard(commit).codec, position, commit)
                for reaction in self.policy.react(recorded)
            ]
        except Exception as error:
            raise poison(commit.aggregate_id, position, error) from error
        for number, (recorded, reaction) in enumerate(led_to):
            cause = Cause(recorded, commit, number)
            if isinstance(reaction, Email):
                yield partial(self._send, cause, reaction)
            else:
                yield partial(self._command, cause, reaction)

    def _persist(self, position: int, commit: Commit, step: Callable[[], None]) -> None:
        """Takes a step, again if need be; what stays in its way is a poison of its process."""
        failure: Exception = OvertakenError(commit.aggregate_id)
        began = self.handler.clock()
        for attempt in range(1, PASS_ATTEMPTS + 1):
            try:
                return step()
            except OvertakenError:
                raise
            except (AnswerRefusedError, StreamAdvancedError) as error:
                failure = error
            except (ContentionError, Unavailable) as error:
                failure = error
                if self.handler.clock() - began > ACT_WITHIN:
                    break
            except Exception as error:
                if isinstance(error, CallRefusedError) and not is_of_the_step(error):
                    # AWS refuses the policy, which is no process's fault.
                    raise
                raise poison(commit.aggregate_id, position, error) from error
            self.pause(attempt)
        if isinstance(failure, SendingStoppedError):
            # Nor is this: every other process would have to be parked as well.
            raise failure
        raise poison(commit.aggregate_id, position, failure) from failure

    def _command(self, cause: Cause, reaction: Reaction) -> None:
        """Sends a command, and records its answer in the process."""
        target = reaction.aggregate.stream(reaction.key, tenant_of(cause))
        request = self._request(cause, reaction.aggregate, target, reaction.command, "command")
        try:
            version = self._taken(cause, request)
        except Refused as refusal:
            self._record_refusal(cause, reaction, target, refusal)
            return
        if version is not None and reaction.accepted is not None:
            self._record(
                cause, reaction.accepted(version), "accepted", StreamVersion(target, version)
            )

    def _taken(self, cause: Cause, request: CommandRequest) -> int | None:
        """The version that the command made; None if it was not, and will not be, taken."""
        if self.policy.awaits is None:
            return self.handler.execute(request)
        state, version = self.handler.state(self._heard(cause.commit), cause.commit.aggregate_id)
        if not self.policy.awaits(state, cause.recorded.event):
            return self.handler.taken(request)
        unless = StreamVersion(cause.commit.aggregate_id, version + 1)
        return self.handler.execute(on_condition(request, unless))

    def _record_refusal(
        self, cause: Cause, reaction: Reaction, target: str, refusal: Refused
    ) -> None:
        if reaction.refused is None or refusal.version is None or self.policy.awaits is None:
            raise refusal
        answer = reaction.refused(refusal.code, to_json(refusal.facts))
        at = StreamVersion(target, refusal.version)
        try:
            self._record(cause, answer, "refused", at, StreamVersion(target, refusal.version + 1))
        except Refused as error:
            raise AnswerRefusedError(f"{type(answer).__name__}: {error.code}") from error

    def _record(
        self,
        cause: Cause,
        answer: Any,
        purpose: str,
        at: StreamVersion,
        unless: StreamVersion | None = None,
    ) -> None:
        """Records an answer, which was given at the key *at*, in the process."""
        stream = cause.commit.aggregate_id
        request = self._request(cause, self._heard(cause.commit), stream, answer, purpose)
        request = replace(request, deps=(at,) if at.version else ())
        self.handler.execute(on_condition(request, unless))

    def _request(
        self, cause: Cause, aggregate: Aggregate, stream: str, command: Any, purpose: str
    ) -> CommandRequest:
        """A command with an id of its step. The id stands for the body as well: code that
        has changed since an earlier attempt may word the command otherwise.
        """
        command_id = cause.command_id(self.name, purpose)
        return CommandRequest(
            aggregate=aggregate,
            aggregate_id=stream,
            command=command,
            command_id=command_id,
            body_hash=body_hash(f"policy {self.name}", command_id),
            actor=f"policy:{self.name}",
            correlation_id=cause.commit.correlation_id,
            deps=((cause.commit.aggregate_id, cause.commit.version),),
        )

    def _send(self, cause: Cause, email: Email) -> None:
        """Decides an effect, or finds it decided; sends it, and records the answer."""
        key = EffectKey(self.name, cause.recorded.position, cause.number)
        planned = self.effects.plan(key, email._asdict(), self.owner)
        if planned.answer is not None:
            return
        if not planned.mine:
            raise OvertakenError(f"another sends {key}")
        self.effects.finish(key, self.mailer.send(Email(**planned.effect)))

    def _process(self, aggregate_id: str) -> Aggregate | None:
        category = category_of(aggregate_id)
        return next((a for a in self.policy.hears if a.category == category), None)

    def _heard(self, commit: Commit) -> Aggregate:
        process = self._process(commit.aggregate_id)
        if process is None:
            raise LookupError(f"{self.name} does not hear {commit.aggregate_id}")
        return process


def is_of_the_step(error: CallRefusedError) -> bool:
    """Whether AWS would take another step, of another process."""
    return error.code in OF_THE_STEP


def tenant_of(cause: Cause) -> str:
    """The tenant of the process."""
    return AggregateId.parse(cause.commit.aggregate_id).tenant


def on_condition(request: CommandRequest, unless: StreamVersion | None) -> CommandRequest:
    """The request, if nothing is at *unless*. In its own stream the append asks that itself."""
    if unless is None or unless.aggregate_id == request.aggregate_id:
        return request
    return replace(request, unless=unless)

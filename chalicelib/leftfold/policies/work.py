"""What a policy does about commits: commands with one answer each, effects decided once."""

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Literal, NamedTuple, cast

from chalicelib.leftfold.commands.handler import (
    CommandHandler,
    CommandRequest,
    ContentionError,
    KeyReusedError,
    body_hash,
)
from chalicelib.leftfold.commands.owning import IdMovedError, NotOwnedError
from chalicelib.leftfold.kernel import (
    ERASED,
    Aggregate,
    AggregateId,
    Commit,
    Email,
    Policy,
    Reaction,
    Recorded,
    Refused,
    UnknownFormatError,
    to_json,
)
from chalicelib.leftfold.kernel.commit import canonical
from chalicelib.leftfold.kernel.repair import repair_of
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
from chalicelib.leftfold.subjects.vault import Vault

# Each is some calls to DynamoDB; a pass should not take long, for another may be at it.
SIZE = 100

# How long others of the pass wait for a step that AWS keeps waiting. Lambda ends the function
# after a minute, and if it did so each time before the process is parked, no other went on.
ACT_WITHIN = timedelta(seconds=20)

# Errors of what was asked; any other that AWS refuses with is about who asks.
OF_THE_STEP = {"TransactionCanceledException", "ValidationException"}


class Heard(NamedTuple):
    """A commit that the policy hears, at *position*. *seen* is what the policy may see of it:
    the opened commit if the policy is personal.
    """

    position: int
    commit: Commit
    seen: Commit


# Applies a function to each stream's commits: one after another, or side by side.
Spread = Callable[
    [Callable[[Sequence[Heard]], PoisonError | None], Iterable[Sequence[Heard]]],
    Iterable[PoisonError | None],
]
# The answer of an effect that was not sent, because it would have shown erased data.
FORGOTTEN = "not sent: its subject was forgotten"


class AnswerRefusedError(Exception):
    """A process did not take the answer of its step: something has moved it meanwhile."""


class StepChangedError(Exception):
    """A step was recorded as a command of another kind, or as an effect of another kind or to
    another recipient: today's policy has given its name to something else.
    """


class Cause(NamedTuple):
    """What leads to a command or an effect: an event, its commit, and the name of the reaction.

    No position of the log is in it, and no count of reactions: another log may have the same
    commit elsewhere, and a later version of the policy may yield its reactions otherwise.
    """

    recorded: Recorded
    commit: Commit
    name: str

    def key(self, policy: str) -> EffectKey:
        """The step, named for ever: the key of its effect, and what its command's id is made of.

        It names the root of a copy, so that a copy leads to no second command or effect.
        """
        stream, version = self.commit.root or (self.commit.aggregate_id, self.commit.version)
        # The first of the events that an upcast makes of one keeps the steps of that one. No name
        # of a reaction has a dot.
        name = f"{self.name}.{self.recorded.part}" if self.recorded.part else self.name
        index = self.commit.root_index(self.recorded.event_index)
        return EffectKey(policy, stream, version, index, name)

    def command_id(self, policy: str, purpose: str) -> str:
        """The same one whenever, and by whomever, the step is taken.

        *purpose* distinguishes the command from the answers to it. The time is that of the cause.
        """
        entropy = hashlib.sha256(canonical([*self.key(policy), purpose]).encode()).digest()
        at = datetime.fromisoformat(self.commit.at)
        return uuid7(int(at.timestamp() * 1000), entropy)


@dataclass(frozen=True)
class PolicyWork:
    """`Work` of a policy. *owner* names this invocation in the ledger of effects.

    A step that is awaited has one answer, whoever takes it (docs/adr/0010). Its process is
    read first, consistently. While that awaits the step, the command is taken on condition that the
    process has not moved; a refusal is recorded on condition that the aggregate that
    refused has not. A process that awaits no longer may have been answered by a command
    that was taken before, and whose taker died: it is looked for once more. *passed* says that the
    policy of another generation has taken all steps that a copy leads to.

    *vault* opens the commits of a personal policy. It seals the effects that they lead to, so
    that the ledger of effects has no personal data.
    """

    policy: Policy
    handler: CommandHandler
    effects: Effects
    mailer: Mailer
    owner: str
    pause: Pause
    spread: Spread
    vault: Vault
    size: int | None = SIZE
    passed: Callable[[Commit], bool] = lambda _commit: False

    @property
    def name(self) -> str:
        return self.policy.name

    @property
    def categories(self) -> Collection[str]:
        return self.policy.categories

    @property
    def stored_name(self) -> str:
        return self.policy.stored_name

    @property
    def fed(self) -> Literal["log"]:
        return self.policy.fed

    def hears(self, aggregate_id: str) -> bool:
        return self._process(aggregate_id) is not None

    def scope(self, aggregate_id: str) -> str:
        return aggregate_id

    def take(self, commits: Sequence[tuple[int, Commit]]) -> Outcome:
        """Takes each stream's steps in order, up to one that fails.

        Raises `OvertakenError` if another is at work on one of the effects,
        `SendingStoppedError` if none can be sent now, `NotOwnedError` if another generation has
        one of the streams, and `UnknownFormatError` if a newer engine wrote what a step stands on.
        """
        sealed = [commit for _, commit in commits]
        opened = self.vault.opened(sealed) if self.policy.personal else [c.blind() for c in sealed]
        streams: dict[str, list[Heard]] = {}
        for (position, commit), seen in zip(commits, opened, strict=True):
            heard = Heard(position, commit, seen)
            streams.setdefault(commit.aggregate_id, []).append(heard)
        failures = self.spread(self._take_stream, streams.values())
        poisons = {failure.aggregate_id: failure for failure in failures if failure}
        return Outcome(done=True, poisons=poisons, rejected={})

    def _take_stream(self, commits: Sequence[Heard]) -> PoisonError | None:
        for heard in commits:
            commit = heard.commit
            if commit.root is not None and self.passed(commit):
                continue
            try:
                for step in self._steps(heard):
                    self._persist(heard.position, commit, step)
            except PoisonError as failure:
                repair = repair_of(commit, self.handler.repairs)
                if self.stored_name not in repair.skipped_by:
                    return failure
        return None

    def _recorded(self, position: int, commit: Commit) -> Iterator[Recorded]:
        return recorded_of(self._heard(commit).codec, position, commit, self.handler.repairs)

    def _steps(self, heard: Heard) -> Iterator[Callable[[], None]]:
        """What the commit leads to, in order. Raises `PoisonError` and `Unavailable`."""
        position, commit, seen = heard
        try:
            led_to = [
                (recorded, reaction)
                for recorded in self._recorded(position, seen)
                for reaction in self.policy.reactions(recorded)
            ]
        except Unavailable:
            raise
        except Exception as error:
            raise self._poison(commit, position, error) from error
        for recorded, reaction in led_to:
            cause = Cause(recorded, commit, reaction.name)
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
            except IdMovedError as error:
                # Today's policy names an id that the transform has taken away, and means nobody.
                raise self._poison(commit, position, error) from error
            except (OvertakenError, UnknownFormatError, NotOwnedError):
                # None is a fault of the process: another is at it, or must be. A step whose
                # streams have moved is never passed, or it would be lost on the way back.
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
                raise self._poison(commit, position, error) from error
            self.pause(attempt)
        if isinstance(failure, SendingStoppedError):
            # Nor is this: every other process would have to be parked as well.
            raise failure
        raise self._poison(commit, position, failure) from failure

    def _poison(self, commit: Commit, position: int, error: Exception) -> PoisonError:
        return poison(commit.aggregate_id, position, error, private=self.policy.personal)

    def _command(self, cause: Cause, reaction: Reaction) -> None:
        """Sends a command, also to where its id has moved, and records its answer in the process.

        Raises `IdMovedError` if the id has become several, or one of another kind.
        """
        target = reaction.aggregate.stream(reaction.key, tenant_of(cause))
        request = self._request(cause, reaction.aggregate, target, reaction.command, "command")
        try:
            self._answer(cause, reaction, request)
        except IdMovedError as moved:
            (successor, *others) = moved.successors
            if others or category_of(successor.aggregate_id) != reaction.aggregate.category:
                raise
            following = replace(
                request, aggregate_id=successor.aggregate_id, moved_from=successor.addressed
            )
            self._answer(cause, reaction, following)

    def _answer(self, cause: Cause, reaction: Reaction, request: CommandRequest) -> None:
        """Sends a command, and records its answer."""
        try:
            version = self._taken(cause, request)
        except Refused as refusal:
            self._record_refusal(cause, reaction, request.aggregate_id, refusal)
            return
        if version is not None and reaction.accepted is not None:
            at = StreamVersion(request.aggregate_id, version)
            self._record(cause, reaction.accepted(version), "accepted", at)

    def _taken(self, cause: Cause, request: CommandRequest) -> int | None:
        """The version that the command made; None if it was not, and will not be, taken."""
        if self.policy.awaits is None:
            return self._execute(request)
        state, version = self.handler.state(self._heard(cause.commit), cause.commit.aggregate_id)
        if not self.policy.awaits(state, cause.recorded.event):
            return self._found(request)
        unless = StreamVersion(cause.commit.aggregate_id, version + 1)
        return self._execute(on_condition(request, unless))

    def _execute(self, request: CommandRequest) -> int:
        """The version that the command made. Raises `StepChangedError`, and the handler's."""
        try:
            return self.handler.execute(request)
        except KeyReusedError as error:
            raise step_changed(request) from error

    def _found(self, request: CommandRequest) -> int | None:
        """The version that an earlier attempt made. Raises `StepChangedError`."""
        try:
            return self.handler.taken(request)
        except KeyReusedError as error:
            raise step_changed(request) from error

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
        self._execute(on_condition(request, unless))

    def _request(
        self, cause: Cause, aggregate: Aggregate, stream: str, command: Any, purpose: str
    ) -> CommandRequest:
        """A command with an id of its step.

        The hash of its body is made of the id and of the command's kind, the name of its class.
        Code that has changed since an earlier attempt may word the command otherwise, but an
        attempt that sent another kind of command is no earlier attempt. The target needs no
        comparison, because the id is looked for in the target alone.
        """
        command_id = cause.command_id(self.stored_name, purpose)
        kind = type(command).__name__
        return CommandRequest(
            aggregate=aggregate,
            aggregate_id=stream,
            command=command,
            command_id=command_id,
            body_hash=body_hash(f"policy {self.stored_name}", command_id, {"kind": kind}),
            actor=f"policy:{self.name}",
            # A policy acts as itself, whoever asked for what it reacts to.
            authority=f"policy:{self.name}",
            correlation_id=cause.commit.correlation_id,
            traceparent=cause.commit.traceparent,
            deps=((cause.commit.aggregate_id, cause.commit.version),),
            leaves_out=True,
        )

    def _send(self, cause: Cause, email: Email) -> None:
        """Decides an effect, or finds it decided; sends it, and records the answer.

        An effect that was decided earlier is sent in the words of then. Its kind and its
        recipient must be today's: raises `StepChangedError` if they are not. Nothing is sent on
        behalf of a forgotten subject.
        """
        key = cause.key(self.stored_name)
        planned = self.effects.plan(key, self._kept(cause, key, email), self.owner)
        decided = self._decided(cause, key, planned.effect)
        forgotten = decided is None or ERASED in (decided["to"], email.to)
        if decided is not None and not forgotten and differ(decided, effect_of(email)):
            raise StepChangedError(
                f"the effect {key} was decided as {decided['kind']} to one recipient, and is now"
                " of another kind or to another recipient: give the new effect a name of its own"
            )
        if planned.answer is not None:
            return
        if not planned.mine:
            raise OvertakenError(f"another sends {key}")
        if decided is None or forgotten:
            self.effects.finish(key, FORGOTTEN)
        else:
            self.effects.finish(key, self.mailer.send(email_of(key, decided)))

    def _kept(self, cause: Cause, key: EffectKey, email: Email) -> Mapping[str, Any]:
        """The e-mail as the ledger keeps it: sealed if its event has personal data."""
        effect = effect_of(email)
        tenant = tenant_of(cause)
        subjects = cause.commit.events[cause.recorded.event_index].sealed
        if not self.policy.personal or not subjects:
            return effect
        text = self.vault.seal_whole(tenant, subjects, ("effect", *key), canonical(effect))
        return {"kind": effect["kind"], "subjects": sorted(subjects), "sealed": text}

    def _decided(
        self, cause: Cause, key: EffectKey, effect: Mapping[str, Any]
    ) -> Mapping[str, Any] | None:
        """The inverse of `_kept`; None if a subject of the effect is forgotten."""
        if "subjects" not in effect:
            return effect
        if effect["sealed"] is None:
            return None
        binding = ("effect", *key)
        text = self.vault.open_whole(
            tenant_of(cause), effect["subjects"], binding, effect["sealed"]
        )
        return None if text is None else cast("dict[str, Any]", json.loads(text))

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


def step_changed(request: CommandRequest) -> StepChangedError:
    """The error of a command whose id an earlier command of another kind has."""
    return StepChangedError(
        f"the command {request.command_id} in {request.aggregate_id} was recorded as another kind"
        f" than {type(request.command).__name__}: give the new command's reaction a name of its own"
    )


def effect_of(email: Email) -> dict[str, Any]:
    """An e-mail as the ledger keeps it; its name is in the key."""
    return {"kind": "email", "to": email.to, "subject": email.subject, "text": email.text}


def differ(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two effects are of different kinds, or to different recipients."""
    return (one["kind"], one["to"]) != (other["kind"], other["to"])


def email_of(key: EffectKey, effect: Mapping[str, Any]) -> Email:
    """The e-mail that the ledger keeps at *key*."""
    return Email(key.name, effect["to"], effect["subject"], effect["text"])


def tenant_of(cause: Cause) -> str:
    """The tenant of the process."""
    return AggregateId.parse(cause.commit.aggregate_id).tenant


def on_condition(request: CommandRequest, unless: StreamVersion | None) -> CommandRequest:
    """The request, if nothing is at *unless*. In its own stream the append asks that itself."""
    if unless is None or unless.aggregate_id == request.aggregate_id:
        return request
    return replace(request, unless=unless)

"""What a commit leads to: the steps that policies take because of it, and what became of each.

Nothing is sent and nothing is written. A step is named for ever, so the commit that a policy made
for it, or the e-mail that it decided, is found by that name (docs/adr/0044).
"""

from bisect import bisect_left
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Literal, NamedTuple

from chalicelib.leftfold.commands.loading import CLOCK_SKEW
from chalicelib.leftfold.kernel import Commit, Email, Policy, Reaction
from chalicelib.leftfold.kernel.commit import instant
from chalicelib.leftfold.kernel.repair import Repairs
from chalicelib.leftfold.policies.work import FORGOTTEN, Cause, tenant_of
from chalicelib.leftfold.projection.fold import category_of, poison, recorded_of
from chalicelib.leftfold.store.following import logged_at
from chalicelib.leftfold.store.ports import (
    Checkpoints,
    Effects,
    EventStore,
    Log,
    Parking,
    StreamEntry,
    Unavailable,
)
from chalicelib.leftfold.store.readers import WHOLE_LOG
from chalicelib.leftfold.subjects.opening import Opener

# Commits of one stream that are looked through for a step, from the time of its cause on.
LOOKED_THROUGH = 1_000
# One read takes few commits, because a commit may have 400 KB.
COMMITS_AT_ONCE = 50

Outcome = Literal[
    "taken", "refused", "sent", "decided", "forgotten", "waits", "parked", "passed", "fails"
]


class Consequence(NamedTuple):
    """A step of *policy*, under the name that the policy gives it, and its *outcome*.

    Of a command: *stream* is where it goes, and *version* the commit that it made, or 0. *answer*
    is the version of the process that has recorded the answer, or 0. An e-mail has neither.

    "taken" and "refused" are the answers to a command; an e-mail is "sent", or "decided" and not
    yet sent, or "forgotten": not sent, because it would have shown erased data. What has no
    answer "waits" for the policy to come so far, or is "parked"; *reason* says on what. A policy
    that has "passed" took no step: the process did not wait for it any more, or the policy began
    later, or passes the commit over. Code that "fails" cannot say today what it leads to.
    """

    policy: str
    step: str
    kind: Literal["command", "e-mail"]
    outcome: Outcome
    stream: str = ""
    version: int = 0
    answer: int = 0
    reason: str = ""


class Progress(NamedTuple):
    """What became of the steps of a policy that have no answer."""

    outcome: Outcome
    reason: str = ""


@dataclass(frozen=True)
class Consequences:
    """What became of the steps of *policies*. *opener* opens commits for a personal policy; what
    it opens is not part of any consequence.
    """

    policies: Sequence[Policy]
    events: EventStore
    log: Log
    checkpoints: Checkpoints
    parking: Parking
    effects: Effects
    opener: Opener
    repairs: Repairs

    def of(self, commit: Commit) -> Iterator[Consequence]:
        """All that *commit* leads to, by today's policies, in their order."""
        for policy in self.policies:
            if category_of(commit.aggregate_id) in policy.categories:
                yield from Steps(self, policy, commit).consequences()

    def found(self, stream: str, ids: Collection[str], first: int) -> Commit | None:
        """The first commit that a command of *ids* made, from version *first* of a stream on."""
        last = first + LOOKED_THROUGH - 1
        while first <= last:
            commits = self.events.range(stream, first, min(first + COMMITS_AT_ONCE - 1, last))
            for commit in commits:
                if commit.command_id in ids:
                    return commit
            if len(commits) < COMMITS_AT_ONCE:
                return None
            first += COMMITS_AT_ONCE
        return None

    def since(self, stream: str, at: str) -> int:
        """The first version of a stream that was made at the time *at* or later, as far as the
        clocks of those who made its commits agree.
        """
        newest = self.events.newest(stream, limit=1, consistent=True).commits
        if not newest:
            return 1
        earliest = instant(datetime.fromisoformat(at) - timedelta(seconds=CLOCK_SKEW))
        versions = range(1, newest[0].version + 1)
        return 1 + bisect_left(versions, earliest, key=lambda version: self._at(stream, version))

    def _at(self, stream: str, version: int) -> str:
        (commit,) = self.events.range(stream, version, version)
        return commit.at


@dataclass(frozen=True)
class Steps:
    """The steps that *policy* takes because of *commit*."""

    among: Consequences
    policy: Policy
    commit: Commit

    def consequences(self) -> Iterator[Consequence]:
        """Each step, with what became of it."""
        among, policy, commit = self.among, self.policy, self.commit
        codec = next(
            aggregate.codec
            for aggregate in policy.hears
            if aggregate.category == category_of(commit.aggregate_id)
        )
        try:
            seen = among.opener.opened([commit])[0] if policy.personal else commit.blind()
            steps = [
                (Cause(recorded, commit, reaction.name), reaction)
                for recorded in recorded_of(codec, 0, seen, among.repairs)
                for reaction in policy.reactions(recorded)
            ]
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001 - rules may raise anything
            reason = poison(commit.aggregate_id, 0, error, private=policy.personal).reason
            yield Consequence(policy.name, "", "command", "fails", reason=reason)
            return
        for cause, reaction in steps:
            if isinstance(reaction, Email):
                yield self._email(cause)
            else:
                yield self._command(cause, reaction)

    def _email(self, cause: Cause) -> Consequence:
        planned = self.among.effects.find(cause.key(self.policy.stored_name))
        if planned is None:
            outcome, reason = self._progress
            return Consequence(self.policy.name, cause.name, "e-mail", outcome, reason=reason)
        if planned.answer is None:
            return Consequence(self.policy.name, cause.name, "e-mail", "decided")
        outcome = "forgotten" if planned.answer == FORGOTTEN else "sent"
        return Consequence(self.policy.name, cause.name, "e-mail", outcome)

    def _command(self, cause: Cause, reaction: Reaction) -> Consequence:
        """A command, found by the answer in its process, or in the stream where it went."""
        named = self.policy.stored_name
        stream = reaction.aggregate.stream(reaction.key, tenant_of(cause))
        said = Consequence(self.policy.name, reaction.name, "command", "waits", stream)
        answers = {cause.command_id(named, word): word for word in ("accepted", "refused")}
        if reaction.accepted or reaction.refused:
            process = self.commit.aggregate_id
            answer = self.among.found(process, answers, self.commit.version + 1)
            if answer is not None:
                at = next((version for other, version in answer.deps if other == stream), 0)
                if answers[answer.command_id] == "refused":
                    return said._replace(outcome="refused", answer=answer.version)
                return said._replace(outcome="taken", version=at, answer=answer.version)
        first = self.among.since(stream, self.commit.at)
        made = self.among.found(stream, {cause.command_id(named, "command")}, first)
        if made is not None:
            return said._replace(outcome="taken", version=made.version)
        outcome, reason = self._progress
        return said._replace(outcome=outcome, reason=reason)

    @cached_property
    def _progress(self) -> Progress:
        """How far the policy is with the stream."""
        among, stream, reader = self.among, self.commit.aggregate_id, self.policy.stored_name
        entry = among.log.streams([stream]).get(stream, StreamEntry())
        if entry.next <= self.commit.version:
            return Progress("waits")
        parked = among.parking.find(reader, [stream]).get(stream)
        if parked is not None and self.commit.version >= logged_at(among.log, parked.first).version:
            return Progress("parked", parked.reason)
        passed = among.checkpoints.read(reader, [WHOLE_LOG])[WHOLE_LOG]
        return Progress("passed" if passed >= entry.position else "waits")

"""Policies over memory: what they ask for is done, in any order, and again if wanted."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from chalicelib.domain import DOMAIN
from chalicelib.leftfold.commands.handler import CommandHandler, CommandRequest, body_hash
from chalicelib.leftfold.kernel import AggregateId, Commit, Policy, Reaction, Recorded, to_json
from chalicelib.leftfold.kernel.uuid7 import uuid7
from chalicelib.leftfold.store.ports import EventStore


class Step(NamedTuple):
    """A command that a commit led to."""

    command_id: str
    cause: tuple[str, int]
    reaction: Reaction


@dataclass
class Workflow:
    """*policies* on the commits of *events*; a step that was done is in *done*."""

    events: EventStore
    handler: CommandHandler
    policies: Iterable[Policy]
    done: dict[str, Step] = field(default_factory=dict)

    def run(self) -> None:
        """Takes steps until none is left."""
        while steps := self.waiting():
            for step in steps:
                self.take(step)

    def waiting(self) -> list[Step]:
        """The steps that were not taken yet, in the order of streams and versions."""
        commits, _ = self.events.scan(0, 1, None, 10**6)
        return [
            step
            for aggregate_id, version in commits
            for commit in self.events.range(aggregate_id, version, version)
            for step in self._steps(commit)
            if step.command_id not in self.done
        ]

    def take(self, step: Step) -> None:
        """Executes the step's command; a second time it has no effect."""
        reaction = step.reaction
        self.handler.execute(
            CommandRequest(
                aggregate=reaction.aggregate,
                aggregate_id=reaction.aggregate.stream(reaction.key, "main"),
                command=reaction.command,
                command_id=step.command_id,
                body_hash=body_hash(type(reaction.command).__name__, to_json(reaction.command)),
                actor="policy",
                correlation_id="test",
                deps=(step.cause,),
            )
        )
        self.done[step.command_id] = step

    def _steps(self, commit: Commit) -> Iterator[Step]:
        heard = DOMAIN.aggregates[AggregateId.parse(commit.aggregate_id).category]
        where = (commit.aggregate_id, commit.version)
        milliseconds = int(datetime.fromisoformat(commit.at).timestamp() * 1000)
        for policy in self.policies:
            if heard not in policy.hears:
                continue
            for place, stored in enumerate(self.handler.vault.opened([commit])[0].events):
                (event,) = heard.codec.decode(stored)
                recorded = Recorded(*where, place, commit.at, 0, event)
                for reaction in policy.reactions(recorded):
                    assert isinstance(reaction, Reaction)
                    reported = repr((policy.name, where, place, reaction.name)).encode()
                    command_id = uuid7(milliseconds, hashlib.sha256(reported).digest())
                    yield Step(command_id, where, reaction)

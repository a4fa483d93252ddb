"""Deadlines: aggregates that have waited for too long are told so."""

import hashlib
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from chalicelib.kernel import Deadline, Refused, Row
from chalicelib.kernel.uuid7 import uuid7
from chalicelib.store.handler import CommandHandler, Request, body_hash

# Finds up to so many rows of a view whose `deadline` is before a moment, the oldest first.
Find = Callable[[str, datetime, int], Iterable[Row]]

AT_ONCE = 500


@dataclass(frozen=True)
class Timekeeper:
    """Sends the commands of deadlines that have passed.

    A view may be behind, and tell of what has moved on: the aggregate's own rules know, and
    their refusal is an answer. A command's id is made of the aggregate and its deadline, so
    however often one is sent, it is taken once.
    """

    deadlines: Collection[Deadline]
    find: Find
    handler: CommandHandler
    clock: Callable[[], datetime]

    def run(self) -> int:
        """How many commands were sent. Raises `Unavailable`: the next run goes on."""
        sent = 0
        for deadline in self.deadlines:
            for row in self.find(deadline.view.name, self.clock(), AT_ONCE):
                with suppress(Refused):
                    self.handler.execute(request_of(deadline, row))
                sent += 1
        return sent


def request_of(deadline: Deadline, row: Row) -> Request:
    """The command that tells an aggregate of the deadline in its row."""
    stream = deadline.aggregate.stream(deadline.key(row))
    command = deadline.command(row)
    entropy = hashlib.sha256(
        f"{deadline.name} {stream} {row['deadline']} {command!r}".encode()
    ).digest()
    moment = datetime.fromisoformat(row["deadline"])
    command_id = uuid7(int(moment.timestamp() * 1000), entropy)
    return Request(
        aggregate=deadline.aggregate,
        aggregate_id=stream,
        command=command,
        command_id=command_id,
        body_hash=body_hash(f"deadline {deadline.name}", command_id),
        actor=f"deadline:{deadline.name}",
        correlation_id=command_id,
    )

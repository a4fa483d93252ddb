"""Deadlines: an aggregate that has waited for too long gets a command."""

import hashlib
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from chalicelib.leftfold.commands.handler import CommandHandler, CommandRequest, body_hash
from chalicelib.leftfold.commands.owning import NotOwnedError
from chalicelib.leftfold.kernel import Commit, Deadline, Refused, Row
from chalicelib.leftfold.kernel.commit import instant
from chalicelib.leftfold.kernel.uuid7 import uuid7

if TYPE_CHECKING:
    from chalicelib.leftfold.projection.search import SearchRows

# Rows in one page of a search for passed deadlines.
OVERDUE_AT_ONCE = 500

# Finds the rows of a view whose `deadline` is before a time, the newest first, with their tenants.
Find = Callable[[str, datetime], Iterator[Row]]


@dataclass(frozen=True)
class Timekeeper:
    """Sends the commands of deadlines that have passed.

    The view may be behind, so a row may be overdue whose aggregate has moved on. The rules of
    the aggregate refuse the command then, and the refusal is no error. A command's id is a
    hash of the aggregate and the deadline, so the command takes effect once, however often
    it is sent. The newest deadlines come first: rows that stay overdue, such as those of a
    stream that is parked in the view, are the oldest and keep no others waiting.
    """

    deadlines: Collection[Deadline]
    find: Find
    handler: CommandHandler
    clock: Callable[[], datetime]

    def run(self, go_on: Callable[[], bool]) -> int:
        """Sends commands while *go_on* returns true; returns how many were sent.

        A failure of one command does not stop the others. All failures are raised at the end,
        and the next run sends those commands again.
        """
        sent = 0
        errors: list[Exception] = []
        for deadline in self.deadlines:
            for row in self.find(deadline.view.name, self.clock()):
                if not go_on():
                    break
                try:
                    # A stream that another generation has gets its deadline there.
                    with suppress(Refused, NotOwnedError):
                        self.handler.execute(self._request(deadline, row))
                    sent += 1
                except Exception as error:  # noqa: BLE001 - raised below
                    errors.append(error)
        if errors:
            raise ExceptionGroup("not all commands of deadlines could be sent", errors)
        return sent

    def _request(self, deadline: Deadline, row: Row) -> CommandRequest:
        stream = deadline.aggregate.stream(deadline.key(row), row["tenant"])
        # The command belongs to the same unit of work as the commit that has waited.
        last = self.handler.events.newest(stream, limit=1, consistent=True).commits[0]
        return request_of(deadline, row, last)


def request_of(deadline: Deadline, row: Row, last: Commit) -> CommandRequest:
    """The command that an aggregate gets for the deadline in its row.

    *last* is the aggregate's newest commit, to whose unit of work and trace the command belongs.
    """
    stream = deadline.aggregate.stream(deadline.key(row), row["tenant"])
    command = deadline.command(row)
    entropy = hashlib.sha256(
        f"{deadline.name} {stream} {row['deadline']} {command!r}".encode()
    ).digest()
    passed_at = datetime.fromisoformat(row["deadline"])
    command_id = uuid7(int(passed_at.timestamp() * 1000), entropy)
    return CommandRequest(
        aggregate=deadline.aggregate,
        aggregate_id=stream,
        command=command,
        command_id=command_id,
        body_hash=body_hash(f"deadline {deadline.name}", command_id),
        actor=f"deadline:{deadline.name}",
        authority=f"deadline:{deadline.name}",
        correlation_id=last.correlation_id,
        traceparent=last.traceparent,
        leaves_out=True,
    )


def overdue(rows: "SearchRows", now: datetime) -> Iterator[Row]:
    """The rows of a search view whose `deadline` is before *now*, the newest first."""
    passed = {"bool": {"filter": [{"range": {"deadline": {"lt": instant(now)}}}]}}
    newest_first, after = [{"deadline": "desc"}], None
    while (found := rows.find_everywhere(passed, newest_first, after, OVERDUE_AT_ONCE)).rows:
        yield from found.rows
        after = found.sorts[-1]

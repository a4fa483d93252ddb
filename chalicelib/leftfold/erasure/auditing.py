"""Records what operators do, before they do it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from chalicelib.leftfold.commands.handler import CommandHandler, CommandRequest, body_hash
from chalicelib.leftfold.kernel.commit import instant
from chalicelib.leftfold.subjects.audit import Command, RecordAction, audit, month_of

AUTHORITY = "operate"
# More names than a person reads: the first of them, and how many there are in all.
MOST_NAMED = 50


@dataclass(frozen=True)
class Auditing:
    """Adds to audit streams. What cannot be recorded is not done: raises what the handler raises."""

    handler: CommandHandler
    clock: Callable[[], datetime]

    def action(
        self, by: str, action: str, what: Sequence[str], command_id: str, tenant: str = "main"
    ) -> None:
        """Records that the operator *by* is about to do *action* with *what* in a tenant."""
        named = tuple(what[:MOST_NAMED])
        if len(what) > MOST_NAMED:
            named += (f"{len(what)} in all",)
        stream = audit.stream(month_of(instant(self.clock())), tenant)
        self.record(stream, RecordAction(action, named), by, command_id, "operators")

    def record(
        self, stream: str, command: Command, by: str, command_id: str, correlation_id: str
    ) -> None:
        """Adds to an audit stream what *by* does; once, however often it is asked with the id."""
        self.handler.execute(
            CommandRequest(
                audit,
                stream,
                command,
                command_id,
                body_hash(type(command).__name__, command_id),
                actor=by,
                correlation_id=correlation_id,
                authority=AUTHORITY,
            )
        )

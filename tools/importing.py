"""Importing histories over HTTP: in order within an account, in parallel over accounts."""

import re
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Event
from typing import Any, NamedTuple

from tools.api import Answered, Api, ApiError
from tools.bank_file import Line, Rejected
from tools.histories import (
    History,
    Period,
    booking_key,
    bookings_body,
    opening_key,
    statement_key,
)

WORKERS = 8
_BOOKING = re.compile(r"/bookings/([0-9]+)(?:/(.*))?")

Booked = Callable[[str, int, int], None]


@dataclass
class Imported:
    """What has become of a history: *version* is the account's after its last command.

    *closed* are the periods whose statements are closed, in order.
    """

    history: History
    version: int = 0
    booked: list[Line] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    closed: list[Period] = field(default_factory=list)

    @property
    def balance(self) -> int:
        """What the booked rows add up to."""
        return sum(line.change for line in self.booked)


class Import(NamedTuple):
    """The accounts of one run, in the file's order, and how long it took in seconds."""

    accounts: list[Imported]
    seconds: float

    @property
    def rows(self) -> int:
        return sum(len(account.booked) for account in self.accounts)

    @property
    def rejected(self) -> list[Rejected]:
        return [line for account in self.accounts for line in account.rejected]


def import_all(
    api: Api, histories: Iterable[History], booked: Booked, workers: int = WORKERS
) -> Import:
    """Books every history; safe to be run again, and to be cut off at any moment.

    Calls *booked* with account id, version and number of rows after every command, from
    many threads. Raises ApiError; then some of the commands have taken effect.
    """
    began = time.monotonic()
    stop = Event()

    def work(history: History) -> Imported:
        try:
            return import_one(api, history, booked, stop)
        except ApiError:
            stop.set()
            raise

    with ThreadPoolExecutor(workers) as threads:
        try:
            accounts = list(threads.map(work, histories))
        except BaseException:
            stop.set()
            threads.shutdown(cancel_futures=True)
            raise
    return Import(accounts, time.monotonic() - began)


def import_one(api: Api, history: History, booked: Booked, stop: Event | None = None) -> Imported:
    """Opens the account and books its rows, one command after the other.

    Each batch says which version it follows. So rows that an earlier run, of a file that
    differed, put into other batches are refused and not booked twice.
    """
    done = Imported(history)
    opened = api.command("/accounts", history.opening, opening_key(history))
    if not opened.ok and opened.body["code"] != "account-exists":
        done.rejected += [Rejected(line.number, opened.reason) for line in history.lines]
        return done
    done.version = opened.body["version"] if opened.ok else 1
    for period in history.periods():
        for batch in period.batches():
            if stop is not None and stop.is_set():
                return done
            taken = _book(api, done, batch)
            booked(history.account, done.version, len(batch))
            if not taken:
                return _given_up(done)
        if period.through is not None and not _close(api, done, period):
            return _given_up(done)
    return done


def _given_up(done: Imported) -> Imported:
    """All lines that were not sent are rejected for what went before them."""
    history = done.history
    sent = {line.number for line in done.booked} | {line.number for line in done.rejected}
    waiting = [line for line in history.lines if line.number not in sent]
    done.rejected += [Rejected(line.number, "a line before it was refused") for line in waiting]
    return done


def _close(api: Api, done: Imported, period: Period) -> bool:
    """Closes the period's statement; False, and its lines are told, if it is refused."""
    through = period.through or ""
    account = done.history.account
    answer = api.command(
        f"/accounts/{account}/statements",
        {"through": through},
        statement_key(account, through),
        if_match=done.version,
    )
    if answer.ok:
        done.version = answer.body["version"]
        done.closed.append(period)
    else:
        number = period.lines[-1].number if period.lines else done.history.lines[-1].number
        reason = f"the statement through {through} after it: {_explained(answer)}"
        done.rejected.append(Rejected(number, reason))
    return answer.ok


def _book(api: Api, done: Imported, batch: Sequence[Line]) -> bool:
    """Books *batch* without the lines that are refused; False if no line can be booked."""
    history, lines = done.history, list(batch)
    while lines:
        answer = api.command(
            f"/accounts/{history.account}/bookings",
            bookings_body(lines, history.currency),
            booking_key(history.account, lines, history.currency),
            if_match=done.version,
        )
        if answer.ok:
            done.version = answer.body["version"]
            done.booked += lines
            return True
        refused = refused_lines(answer)
        if not refused:
            reason = _explained(answer)
            done.rejected += [Rejected(line.number, reason) for line in lines]
            return False
        for index, reason in refused.items():
            done.rejected.append(Rejected(lines[index].number, reason))
        lines = [line for index, line in enumerate(lines) if index not in refused]
    return True


def refused_lines(problem: Answered) -> dict[int, str]:
    """The bookings that a problem names, by index, with the reason; empty: it names none."""
    if isinstance(problem.body.get("booking"), int):
        return {problem.body["booking"]: problem.reason}
    found: dict[int, str] = {}
    for error in problem.body.get("errors", ()):
        if match := _BOOKING.fullmatch(error.get("pointer", "")):
            found.setdefault(int(match[1]), f"{match[2] or 'it'} {error['detail']}")
    return found


def _explained(answer: Answered) -> str:
    if answer.body["code"] != "version-mismatch":
        return answer.reason
    found: Any = answer.body.get("version", "another")
    return (
        f"the account is at version {found}, not where this file leads: it holds bookings"
        " that are not in this file, or were imported from it when it was different"
    )

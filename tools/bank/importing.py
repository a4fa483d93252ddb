"""Importing histories over HTTP: in order within an account, in parallel over accounts."""

import re
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Event
from typing import NamedTuple

from chalicelib.bank.money import Money
from tools.api import Answered, Api, ApiError
from tools.bank.bank_file import Line, Note, Rejected
from tools.bank.continuing import (
    DiffersError,
    Found,
    earlier_bookings,
    found_account,
    reworded,
)
from tools.bank.histories import (
    History,
    Period,
    batches,
    booking_key,
    bookings_body,
    mark_of,
    opening_key,
    statement_key,
)
from tools.texts import counted

WORKERS = 8
# Times that an account is looked at anew because others book onto it meanwhile.
LOOKS = 3
_BOOKING = re.compile(r"/bookings/([0-9]+)(?:/(.*))?")

Booked = Callable[[str, int, int], None]


@dataclass
class Imported:
    """The result of a history's import: *version* is the account's after its last command.

    *booked* are the rows that the account has now, *known* of them since before this run;
    *earlier* bookings come before the file's first row, and *later* ones, which add up to
    *added_later*, after its last. *closed* are the periods whose statements are closed, in
    order.
    """

    history: History
    version: int = 0
    booked: list[Line] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    closed: list[Period] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    known: int = 0
    earlier: int = 0
    later: int = 0
    added_later: int = 0

    @property
    def expected(self) -> int:
        """The balance that the account must have, by the bank's own figures."""
        return self.history.stated + self.added_later


class Import(NamedTuple):
    """The accounts of one run, in the file's order, and how long it took in seconds."""

    accounts: list[Imported]
    seconds: float

    @property
    def rows(self) -> int:
        """The rows that this run booked, or an earlier one that it repeats."""
        return sum(len(account.booked) - account.known for account in self.accounts)

    @property
    def rejected(self) -> list[Rejected]:
        return [line for account in self.accounts for line in account.rejected]


def import_all(
    api: Api,
    histories: Iterable[History],
    booked: Booked,
    workers: int = WORKERS,
    *,
    opening_balance: bool = False,
) -> Import:
    """Books every history; safe to be run again, and to be cut off at any moment.

    Calls *booked* with account id, version and number of rows after every command, from
    many threads. Raises ApiError; then some of the commands have taken effect.
    """
    began = time.monotonic()
    stop = Event()

    def work(history: History) -> Imported:
        try:
            return import_one(api, history, booked, stop, opening_balance=opening_balance)
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


def import_one(
    api: Api,
    history: History,
    booked: Booked,
    stop: Event | None = None,
    *,
    opening_balance: bool = False,
) -> Imported:
    """Opens the account and books its rows, or those that it does not have yet.

    Each batch says which version it follows, so no row is booked twice, or onto an account
    that is not where the file leads. With *opening_balance*, an account that has nothing yet
    gets the balance before the first row as its first booking.
    """
    sender = _Sender(api, booked, stop or Event())
    if history.before:
        found = found_account(api, history.account)
        if found is not None and found.bookings:
            return sender.go_on(history, found)
        if not opening_balance:
            return _refused(history, history.lines[0], begins_at(history))
        history = history.with_opening_balance()
    opened = api.command("/accounts", history.opening, opening_key(history))
    if opened.ok:
        # An earlier run may have opened it. The keys of its rows decide whether it had these rows.
        done = Imported(history, opened.body["version"])
        if sender.send(done, history.periods(), 0):
            return done
    elif opened.body["code"] != "account-exists":
        return _refused(history, history.lines[0], opened.reason)
    return sender.go_on(history)


def begins_at(history: History) -> str:
    """Why rows that do not begin at zero are not booked onto an account that has nothing."""
    before = Money(history.before, history.currency)
    return (
        f"balance_after implies an opening balance of {before}, and the account has nothing yet;"
        " import what came before it first, or book it with --opening-balance"
    )


@dataclass(frozen=True)
class _Sender:
    """Sends the rows of one account after the other."""

    api: Api
    booked: Booked
    stop: Event

    def go_on(self, history: History, found: Found | None = None) -> Imported:
        """Books the rows that the account does not have yet, where it stands now."""
        for _ in range(LOOKS):
            found = found or found_account(self.api, history.account) or Found()
            try:
                done = standing(history, found)
            except DiffersError as error:
                return _refused(history, error.line, str(error))
            try:
                check_limit(done, found)
                left = periods_left(done, found)
            except DiffersError as error:
                done.rejected.append(Rejected(error.line.number, str(error), error.line.account))
                _give_up(done)
                return done
            if self.send(done, left, done.known):
                return done
            found = None
        reason = "others book onto the account at the same time; run this again when they rest"
        return _refused(history, history.lines[0], reason)

    def send(self, done: Imported, periods: Iterable[Period], start: int) -> bool:
        """Books the rows from *start* on, and closes the periods; False if the account moved."""
        for period in periods:
            for batch in batches(period.lines[max(start - period.first, 0) :]):
                if self.stop.is_set():
                    return True
                answer = self._book(done, batch)
                if _moved(answer):
                    return False
                if not answer.ok:
                    _reject(done, batch, answer)
                    return True
                done.version = answer.body["version"]
                done.booked += batch
                self.booked(done.history.account, done.version, len(batch))
            if period.through is None:
                continue
            answer = self._close(done, period.through)
            if _moved(answer):
                return False
            if not answer.ok:
                last = period.lines[-1] if period.lines else done.history.lines[-1]
                reason = f"the statement through {period.through} after it: {answer.reason}"
                done.rejected.append(Rejected(last.number, reason, last.account))
                _give_up(done)
                return True
            done.version = answer.body["version"]
            done.closed.append(period)
        return True

    def _book(self, done: Imported, batch: Sequence[Line]) -> Answered:
        account, currency = done.history.account, done.history.currency
        return self.api.command(
            f"/accounts/{account}/bookings",
            bookings_body(batch, currency),
            booking_key(account, batch, currency),
            if_match=done.version,
            correlation=mark_of(batch),
        )

    def _close(self, done: Imported, through: str) -> Answered:
        account = done.history.account
        return self.api.command(
            f"/accounts/{account}/statements",
            {"through": through},
            statement_key(account, through),
            if_match=done.version,
        )


def standing(history: History, found: Found) -> Imported:
    """The part of the history that the account has already. Raises DiffersError."""
    lines = history.lines
    if found.currency != history.currency:
        reason = f"the account is kept in {found.currency}, the file is in {history.currency}"
        raise DiffersError(lines[0], reason)
    earlier = earlier_bookings(found, history)
    known = lines[: len(found.bookings) - earlier]
    after = found.bookings[earlier + len(known) :]
    return Imported(
        history,
        found.version,
        booked=list(known),
        notes=[
            Note(line.number, "is booked already, in other words, which stay")
            for line in reworded(found, earlier, known)
        ],
        known=len(known),
        earlier=earlier,
        later=len(after),
        added_later=sum(booking.change for booking in after),
    )


def see_later(api: Api, done: Imported) -> None:
    """Takes note of what the account has got since this file's last row: by a later file, say,
    that was imported before this one was repeated.
    """
    found = found_account(api, done.history.account)
    with suppress(DiffersError):
        if found is not None and len((now := standing(done.history, found)).booked) == len(
            done.booked
        ):
            done.later, done.added_later = now.later, now.added_later


def check_limit(done: Imported, found: Found) -> None:
    """Raises DiffersError for the first row that takes the account below its credit limit."""
    for line in done.history.lines[done.known :]:
        if line.balance_after < -found.credit_limit and line.direction == "debit":
            needs = Money(-line.balance_after, done.history.currency)
            has = Money(found.credit_limit, done.history.currency)
            reason = f"needs a credit limit of {needs}, and the account was opened with {has}"
            raise DiffersError(line, reason)


def periods_left(done: Imported, found: Found) -> list[Period]:
    """The periods that still have to be booked or closed; those that are closed are noted.

    Raises DiffersError where a statement cannot be closed, or was closed, as the file has it.
    """
    last_closed = max(found.closed, default="")
    left: list[Period] = []
    for period in done.history.periods():
        through = period.through
        last = period.lines[-1] if period.lines else done.history.lines[max(period.first - 1, 0)]
        if through is None:
            left.append(period)
        elif through in found.closed:
            had = found.closed[through] - done.earlier
            if had != period.end:
                raise DiffersError(
                    last,
                    f"the statement through {through} was closed after"
                    f" {counted(max(had, 0), 'row')} of this file and not after {period.end:,}",
                )
            done.closed.append(period)
        elif through <= last_closed or done.known + done.later > period.end:
            raise DiffersError(
                last,
                f"the statement through {through} cannot be closed after it any more: the account"
                " is not where this file leads, it has later bookings or statements already",
            )
        else:
            left.append(period)
    return left


def _moved(answer: Answered) -> bool:
    """Whether the account is not, or no longer, at the version that was expected."""
    return not answer.ok and answer.body["code"] in ("version-mismatch", "key-reused")


def _refused(history: History, line: Line, reason: str) -> Imported:
    """Nothing is sent: *line* shows why."""
    done = Imported(history)
    done.rejected.append(Rejected(line.number, reason, line.account))
    _give_up(done)
    return done


def _reject(done: Imported, batch: Sequence[Line], answer: Answered) -> None:
    """A batch is booked whole or not at all; the lines that the answer names are the cause."""
    refused = refused_lines(answer)
    if not refused:
        done.rejected += [Rejected(line.number, answer.reason, line.account) for line in batch]
    for index, reason in refused.items():
        done.rejected.append(Rejected(batch[index].number, reason, batch[index].account))
    _give_up(done)


def _give_up(done: Imported) -> None:
    """All lines that are not booked are rejected for the one that was refused."""
    listed = {line.number for line in done.booked} | {line.number for line in done.rejected}
    done.rejected += [
        Rejected(line.number, f"line {done.rejected[0].number} was refused", line.account)
        for line in done.history.lines
        if line.number not in listed
    ]


def refused_lines(problem: Answered) -> dict[int, str]:
    """The bookings that a problem names, by index, with the reason; empty: it names none."""
    if isinstance(problem.body.get("booking"), int):
        return {problem.body["booking"]: problem.reason}
    found: dict[int, str] = {}
    for error in problem.body.get("errors", ()):
        if match := _BOOKING.fullmatch(error.get("pointer", "")):
            found.setdefault(int(match[1]), f"{match[2] or 'it'} {error['detail']}")
    return found

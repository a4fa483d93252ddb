"""Posting to a ledger, and reading it: the same for HTTP and for callers without it.

A journal does not know the chart and a ledger does not know its entries, so no rule of one
stream can check an entry wholly. This service reads the ledger, checks the entry against it,
and sends the entry to one of the ledger's journals. Whoever posts entries uses it.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from hashlib import sha256
from typing import Any, NamedTuple, cast

from chalicelib.bank.ledger import domain
from chalicelib.bank.ledger.amounts import minor_of
from chalicelib.bank.ledger.balances import Balances
from chalicelib.bank.ledger.domain import Ledger, check_entry, ledger
from chalicelib.bank.ledger.journal import (
    EntryId,
    EntryPosted,
    PostEntry,
    Posting,
    TurnDown,
    journal,
    journal_key,
    undone,
)
from chalicelib.bank.ledger.reports import (
    Movement,
    last_day,
    months_of,
    moves_of,
    opening_keys,
    window,
)
from chalicelib.leftfold.commands.handler import CommandRequest
from chalicelib.leftfold.commands.reading import KnownStates
from chalicelib.leftfold.kernel import AggregateId, Commit, Refused, Row
from chalicelib.leftfold.kernel.repair import NO_REPAIRS, Repairs, read
from chalicelib.leftfold.projection.tenant_rows import TenantRows
from chalicelib.leftfold.store.ports import Streams
from chalicelib.leftfold.wiring.tenants import TenantServices

TRIAL_BALANCE, POSTINGS = "trial_balance", "postings"
# The order of an account's postings in its sheet.
SHEET_ORDER = [{name: "asc"} for name in ("date", "postedAt", "journal", "version", "index")]
# Postings that one search reads where the balances before a page are computed again.
READ_AT_ONCE = 500


class Line(NamedTuple):
    """A posting as it is asked for: *amount* is text, such as {"amount": "700.00",
    "currency": "CZK"}, above zero for a debit and below zero for a credit.
    """

    account: str
    amount: Mapping[str, str]


@dataclass(frozen=True)
class Draft:
    """An entry as it is asked for. How its amounts are read depends on the ledger.

    Raises ValueError for a *date* that is no day of the calendar in ISO 8601.
    """

    date: str
    narration: str
    lines: tuple[Line, ...]
    payee: str | None = None

    def __post_init__(self) -> None:
        check_day(self.date)


@dataclass(frozen=True)
class Reversal:
    """Asks for the opposite of *entry*, on a day of an open year.

    Raises ValueError for a *date* that is no day of the calendar in ISO 8601.
    """

    entry: EntryId
    date: str
    narration: str

    def __post_init__(self) -> None:
        check_day(self.date)


class AmountError(ValueError):
    """The amount of a draft's line, by its index, cannot be taken; the text says why."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line = line


class Entry(NamedTuple):
    """An entry that was posted; *at* is the instant, in ISO 8601."""

    id: EntryId
    posted: EntryPosted
    at: str


class Sheet(NamedTuple):
    """Which postings an account's sheet shows: *first* and *last* are days of one year."""

    account: str
    first: str
    last: str


class SheetPage(NamedTuple):
    """A page of an account's sheet.

    *opening* are the account's balances before the sheet's first day, *closing* those after
    the page. *lines* are postings, each with the balance after it in its currency. *sorts*
    are the lines' sort values. *total* counts the lines of all pages.
    """

    opening: dict[str, int]
    lines: list[tuple[Row, int]]
    closing: dict[str, int]
    sorts: list[list[Any]]
    more: bool
    total: int


@dataclass(frozen=True)
class Ledgers:
    """The ledgers of a bank. A *stream* is the aggregate id of a ledger.

    *execute* takes a command and answers the version that it made; it raises what
    `CommandHandler.execute` raises. *rows* finds the rows of a view by its name.
    """

    events: Streams
    states: KnownStates
    rows: Callable[[str], TenantRows]
    execute: Callable[[CommandRequest], int]
    repairs: Repairs = NO_REPAIRS

    # --- entries

    def post(self, request: CommandRequest) -> EntryId:
        """Posts the `Draft` that is *request*'s command to the ledger that *request* names.

        The command id alone decides the journal, so that a retry meets the first attempt.
        Raises `AmountError`, and `Refused` as the ledger and its journal do.
        """
        draft: Draft = request.command
        digest = int.from_bytes(sha256(request.command_id.encode()).digest()[:8])
        return self._take(
            request, lambda state: entry_of(draft, state), lambda state: digest % state.journals
        )

    def reverse(self, request: CommandRequest) -> EntryId:
        """Posts the opposite of the entry that *request*'s command, a `Reversal`, names.

        It goes to the entry's own journal, which refuses a second reversal.
        """
        reversal: Reversal = request.command
        entry = self.entry(request.aggregate_id, reversal.entry)
        command = undone(entry.posted, reversal.date, reversal.narration, entry.id.version)
        return self._take(request, lambda _: command, lambda _: entry.id.journal)

    def _take(
        self,
        request: CommandRequest,
        made: Callable[[Ledger], PostEntry],
        number_of: Callable[[Ledger], int],
    ) -> EntryId:
        """Sends the command that *made* makes to the journal that *number_of* chooses.

        A state from an earlier request will do, as a ledger never takes back what it allows
        of an open year, and the journal itself knows whether it has closed the year. Only a
        refusal needs the newest state.
        """
        stream = request.aggregate_id
        read = self.states.known(ledger, stream)
        command: PostEntry | TurnDown
        try:
            command = made(existing(read.state))
            check(command, read.state)
        except (Refused, AmountError):
            read = self.states.newest(ledger, stream)
            command = made(existing(read.state))
            try:
                check(command, read.state)
            except Refused as refusal:
                # The journal knows whether this very command was taken before.
                command = TurnDown(refusal.code, refusal.facts)
        number = number_of(read.state)
        version = self.execute(
            replace(
                request,
                aggregate=journal,
                aggregate_id=journal_of(stream, number),
                command=command,
                deps=((stream, read.version),),
            )
        )
        return EntryId(number, version)

    def entry(self, stream: str, entry: EntryId) -> Entry:
        """An entry, from its journal. Raises `Refused` if there is none of this id."""
        for commit in self.events.range(
            journal_of(stream, entry.journal), entry.version, entry.version
        ):
            found = entry_in(commit, self.repairs)
            if found is not None:
                return found
        raise Refused("entry-missing")

    # --- the ledger

    def newest(self, stream: str) -> Ledger:
        """The ledger as it is, read consistently. Raises `Refused` if it was never opened."""
        return existing(self.states.newest(ledger, stream).state)

    def commodities(self, stream: str, currencies: Iterable[str]) -> Mapping[str, int]:
        """The commodities that the ledger has declared, all of *currencies* among them."""
        state = cast("Ledger", self.states.known(ledger, stream).state)
        if any(domain.digits_of(currency, state) is None for currency in currencies):
            state = self.states.newest(ledger, stream).state
        return state.commodities

    # --- reports

    def moved_until(self, stream: str, state: Ledger, year: int, day: str) -> Movement:
        """The ledger through *day*, from the newest opening balances that *year* may begin with."""
        last, openings = last_day(state, day), opening_keys(stream, state, year)
        rows = self.rows(TRIAL_BALANCE).load(openings.values())
        began, opening = state.first_year, {}
        for opened, key in openings.items():
            stored = rows.get(key)
            if stored is not None and stored.row is not None:
                began, opening = opened, stored.row
                break
        moves = moves_of(self._moved(window(stream, began, last)))
        return Movement(f"{began:04}-01-01", opening, moves)

    def moved_in(self, stream: str, year: int) -> Movement:
        """The debits and credits of *year* alone, without opening balances."""
        return Movement(f"{year:04}-01-01", {}, moves_of(self._moved(months_of(stream, year))))

    def balances_before(self, stream: str, state: Ledger, day: str) -> Balances:
        """The balances with which a day begins; on the first of a year, its opening ones."""
        year = int(day[:4])
        if year < state.first_year:
            return {}
        before = date.fromisoformat(day) - timedelta(days=1)
        return self.moved_until(stream, state, year, before.isoformat()).balances

    def _moved(self, keys: list[str]) -> Iterable[Row]:
        stored = self.rows(TRIAL_BALANCE).load(keys).values()
        return (row.row for row in stored if row.row is not None)

    def account_sheet(
        self, stream: str, state: Ledger, sheet: Sheet, after: list[Any] | None, limit: int
    ) -> SheetPage:
        """A page of an account's sheet, with the balance after each posting.

        *after* is None for the first page. Else it has the sort values of the last line
        before the page, followed by the balances after that line or, where these are too
        many to be carried, by that line's day.
        """
        opening = self._balances_of(stream, state, sheet.account, sheet.first)
        rows = self.rows(POSTINGS)
        filters = conditions(stream, sheet)
        running = dict(opening)
        if after is not None:
            *after, carried = after
            if isinstance(carried, str):
                running = self._balances_of(stream, state, sheet.account, carried)
                on_day = conditions(stream, sheet._replace(first=carried, last=carried))
                add_through(after, running, rows, on_day)
            else:
                running = dict(carried)
        found = rows.find(filters, SHEET_ORDER, after, limit + 1)
        lines = []
        for row in found.rows[:limit]:
            add(row, running)
            lines.append((row, running[row["currency"]]))
        more = len(found.rows) > limit
        return SheetPage(opening, lines, running, found.sorts[:limit], more, found.total)

    def _balances_of(self, stream: str, state: Ledger, account: str, day: str) -> dict[str, int]:
        return dict(self.balances_before(stream, state, day).get(account, {}))


def ledgers_of(services: TenantServices) -> Ledgers:
    """The ledgers of a tenant, for callers without HTTP."""
    return Ledgers(
        services.events, services.states, services.rows, services.execute, services.repairs
    )


def check_day(day: str) -> None:
    """Raises ValueError for text that is no day such as 1993-01-03."""
    if date.fromisoformat(day).isoformat() != day:
        raise ValueError(f"{day!r} is not a day in the form YYYY-MM-DD")


def existing(state: Ledger) -> Ledger:
    """*state*; raises `Refused` for that of a ledger that was never opened."""
    if state.status == "missing":
        raise Refused("ledger-missing")
    return state


def entry_of(draft: Draft, state: Ledger) -> PostEntry:
    """The command that a draft asks for, with integer amounts.

    Raises `AmountError`, and `Refused` for a commodity that the ledger does not know.
    """
    postings = []
    for index, (account, amount) in enumerate(draft.lines):
        try:
            minor = minor_of(amount, state.commodities)
        except ValueError as error:
            raise AmountError(index, str(error)) from error
        if minor is None:
            raise Refused("unknown-commodity", posting=index, commodity=amount["currency"])
        postings.append(Posting(account, minor, amount["currency"]))
    return PostEntry(draft.date, draft.narration, tuple(postings), draft.payee)


def check(command: PostEntry, state: Ledger) -> None:
    """Raises `Refused` if the ledger's chart or its years do not allow the entry."""
    booked = ((posting.account, posting.currency) for posting in command.postings)
    check_entry(command.date, booked, state)


def journal_of(stream: str, number: int) -> str:
    """The aggregate id of a ledger's journal."""
    tenant, _, key = AggregateId.parse(stream)
    return journal.stream(journal_key(key, number), tenant)


def entry_in(commit: Commit, repairs: Repairs) -> Entry | None:
    """The entry that a commit of a journal holds; None for one that closes a year."""
    for _, _, event, _ in read(commit, journal.codec, repairs):
        if isinstance(event, EntryPosted):
            return Entry(EntryId.of(commit.aggregate_id, commit.version), event, commit.at)
    return None


def conditions(stream: str, sheet: Sheet) -> Row:
    """The search for the postings that a sheet shows."""
    return {
        "bool": {
            "filter": [
                {"term": {"ledgerId": AggregateId.parse(stream).key}},
                {"term": {"account": sheet.account}},
                {"range": {"date": {"gte": sheet.first, "lte": sheet.last}}},
            ]
        }
    }


def add(row: Row, running: dict[str, int]) -> None:
    """Adds a posting to the running balances."""
    running[row["currency"]] = running.get(row["currency"], 0) + row["amount"]


def add_through(last: list[Any], running: dict[str, int], rows: TenantRows, filters: Row) -> None:
    """Adds the postings that pass *filters*, through the one with the sort values *last*."""
    after: list[Any] | None = None
    while True:
        found = rows.find(filters, SHEET_ORDER, after, READ_AT_ONCE)
        if not found.rows:
            return
        for row, after in zip(found.rows, found.sorts, strict=True):
            add(row, running)
            if after == last:
                return

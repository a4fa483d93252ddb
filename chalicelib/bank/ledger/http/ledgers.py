"""Ledgers over HTTP: their commands, and the chart with its years."""

from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any, cast

from marshmallow import Schema, fields, validate

from chalicelib.bank.amounts import (
    MOST_DIGITS,
    Amount,
    amount,
    amounts,
    commodity_field,
    minor_of,
)
from chalicelib.bank.ledger import domain
from chalicelib.bank.ledger.domain import (
    CloseYear,
    ExtendChart,
    Ledger,
    LedgerAccount,
    OpenLedger,
    OpenYear,
    check_entry,
    ledger,
)
from chalicelib.bank.ledger.journal import (
    LONGEST_LEDGER_KEY,
    EntryPosted,
    PostEntry,
    Posting,
    TurnDown,
    journal,
    journal_key,
    undone,
)
from chalicelib.bank.ledger.views import entry_id
from chalicelib.leftfold.http.commands import (
    GIVEN,
    HEEDED,
    OF_EVERY_COMMAND,
    Takes,
    command_routes,
    execute,
    opening_route,
    perform,
    request_of,
)
from chalicelib.leftfold.http.cursors import after_of, cursor, whole
from chalicelib.leftfold.http.fields import (
    LARGEST_VERSION,
    Fullmatch,
    NoFields,
    Pages,
    Shown,
    Strict,
    Whole,
    WholeNumber,
    day,
    key,
    min_version,
    text,
)
from chalicelib.leftfold.http.headers import IDEMPOTENCY_KEY, IF_NONE_MATCH
from chalicelib.leftfold.http.history import commits_from
from chalicelib.leftfold.http.problems import Problem
from chalicelib.leftfold.http.queries import FRESHNESS, document
from chalicelib.leftfold.http.routes import Answer, Call, Route
from chalicelib.leftfold.kernel import Refused, Row

TYPES = ("asset", "liability", "equity", "income", "expense")
STATES = ("open", "closing", "closed")
YEARS = (1000, 9998)
MOST_POSTINGS = 500
# A page of entries ends after so many postings, of 250 bytes each: an answer has 6 MB at most.
POSTINGS_SHOWN = 5_000
MOST_ACCOUNTS = 500
MOST_COMMODITIES = 200

# An entry's journal and its version there.
ENTRY = r"^(0|[1-9][0-9]?)-[1-9][0-9]{0,14}$"


def account_field(**options: Any) -> fields.String:
    """The code of an account in the chart, such as Assets:Bank:Checking."""
    code = Fullmatch(
        r"^[A-Za-z0-9:_-]{1,120}$", reason="must be 1 to 120 letters, digits, :, _ and -"
    )
    return fields.String(validate=code, **options)


def entry_field(**options: Any) -> fields.String:
    """An entry's id."""
    return fields.String(
        validate=Fullmatch(ENTRY, reason="must be an entry's id like 3-17"), **options
    )


def year_field(**options: Any) -> fields.Integer:
    """A year, as a number."""
    return WholeNumber(*YEARS, **options)


class OpenLedgerBody(Strict):
    """The opening of a ledger; without a ledgerId, the server chooses one."""

    ledger_id = fields.String(
        validate=Fullmatch(
            rf"^[A-Za-z0-9-]{{1,{LONGEST_LEDGER_KEY}}}$",
            reason=f"must be 1 to {LONGEST_LEDGER_KEY} letters, digits and hyphens",
        )
    )
    name = text(200, required=True)
    first_year = year_field(required=True)
    retained_earnings = account_field(required=True)
    journals = WholeNumber(1, domain.MOST_JOURNALS, load_default=domain.USUAL_JOURNALS)


class AccountBody(Strict):
    """An account of the chart, and the currencies and commodities it is kept in."""

    code = account_field(required=True)
    type = fields.String(required=True, validate=validate.OneOf(TYPES))
    name = text(100)
    currencies = fields.List(
        commodity_field(), required=True, validate=validate.Length(1, MOST_COMMODITIES)
    )


class CommodityBody(Strict):
    """A commodity that is not of ISO 4217: its code and its number of decimals."""

    code = commodity_field(required=True)
    digits = WholeNumber(0, MOST_DIGITS, required=True)


class AccountsBody(Strict):
    """More accounts, more currencies for those that are there, more commodities."""

    accounts = fields.List(
        fields.Nested(AccountBody), required=True, validate=validate.Length(0, MOST_ACCOUNTS)
    )
    commodities = fields.List(
        fields.Nested(CommodityBody), validate=validate.Length(0, MOST_COMMODITIES), load_default=()
    )


class YearBody(Strict):
    """The year to open: the one after the last."""

    year = year_field(required=True)


class PostingBody(Strict):
    """A change of one account; the amount is above zero for a debit, below for a credit."""

    account = account_field(required=True)
    amount = fields.Nested(Amount, required=True)


class EntryBody(Strict):
    """An entry, whose postings add up to zero in each currency and commodity."""

    date = day(required=True)
    narration = text(500, required=True)
    payee = text(200)
    postings = fields.List(
        fields.Nested(PostingBody), required=True, validate=validate.Length(2, MOST_POSTINGS)
    )


class ReversalBody(Strict):
    """When and why an entry is reversed; its date is in an open year."""

    date = day(required=True)
    narration = text(500, required=True)


class LedgerChanged(Shown):
    """A command's answer: the version that it made."""

    ledger_id = key(required=True)
    version = fields.Integer(required=True)


class EntryTaken(Shown):
    """The entry that a command made."""

    ledger_id = key(required=True)
    entry_id = entry_field(required=True)


class PostingShown(Shown):
    """A posting of an entry."""

    account = account_field(required=True)
    amount = fields.Nested(Amount, required=True)


class EntryShown(Shown):
    """An entry; *reverses* is the entry that it undoes."""

    ledger_id = key(required=True)
    entry_id = entry_field(required=True)
    posted_at = fields.String(required=True, metadata={"format": "date-time"})
    date = day(required=True)
    narration = fields.String(required=True)
    payee = fields.String(required=True, allow_none=True)
    reverses = entry_field(required=True, allow_none=True)
    postings = fields.List(fields.Nested(PostingShown), required=True)


class AccountInChart(Shown):
    """An account of the chart; retained earnings are kept in what all others are kept in."""

    code = account_field(required=True)
    type = fields.String(required=True, validate=validate.OneOf(TYPES))
    name = fields.String(required=True, allow_none=True)
    currencies = fields.List(commodity_field(), required=True)


class YearShown(Shown):
    """A year; *journalsClosed* counts the journals that have closed it, and *profit* is what
    it earned, once it is closed.
    """

    year = fields.Integer(required=True)
    state = fields.String(required=True, validate=validate.OneOf(STATES))
    journals_closed = fields.Integer(required=True)
    profit = fields.List(fields.Nested(Amount), required=True)


class LedgerDocument(Shown):
    """A ledger as it stands at *version*; *position* is its place in the log."""

    ledger_id = key(required=True)
    name = fields.String(required=True)
    first_year = fields.Integer(required=True)
    retained_earnings = account_field(required=True)
    journals = fields.Integer(required=True)
    accounts = fields.List(fields.Nested(AccountInChart), required=True)
    commodities = fields.List(fields.Nested(CommodityBody), required=True)
    years = fields.List(fields.Nested(YearShown), required=True)
    version = fields.Integer(required=True)
    position = fields.Integer(required=True)


class YearPath(Strict):
    """Which year."""

    year = Whole(*YEARS, required=True)


class EntryPath(Strict):
    """Which entry: its journal and its version there."""

    entry = entry_field(required=True)


class EntryList(Shown):
    """A page of a journal's entries, in the order in which they were posted."""

    items = fields.List(fields.Nested(EntryShown), required=True)
    next = fields.String(required=True, allow_none=True)


class EntriesQuery(Pages):
    """Which journal: they are numbered from 0."""

    journal = Whole(0, domain.MOST_JOURNALS - 1, required=True)


class LedgerQuery(Strict):
    """What a ledger can be asked for."""

    min_version = min_version()


def open_command(body: Mapping[str, Any]) -> OpenLedger:
    """The opening, with its first year open."""
    names = ("name", "first_year", "retained_earnings", "journals")
    return OpenLedger(**{name: body[name] for name in names})


def extend_command(body: Mapping[str, Any]) -> ExtendChart:
    """The chart's extension; a currency that is named twice counts once."""
    accounts = tuple(
        LedgerAccount(
            held["code"], held["type"], tuple(dict.fromkeys(held["currencies"])), held.get("name")
        )
        for held in body["accounts"]
    )
    return ExtendChart(accounts, {held["code"]: held["digits"] for held in body["commodities"]})


def post_entry(call: Call) -> Answer:
    """Takes an entry into the journal that its command's id leads to, in every attempt."""
    digest = int.from_bytes(sha256(call.command_id.encode()).digest()[:8])

    def made(state: Ledger) -> PostEntry:
        return PostEntry(
            call.body["date"],
            call.body["narration"],
            postings_of(call.body["postings"], state),
            call.body.get("payee"),
        )

    return take_entry(call, made, lambda state: digest % state.journals)


def reverse_entry(call: Call) -> Answer:
    """Takes the opposite of an entry into the entry's own journal, which refuses a second."""
    number, version, entry, _ = entry_of(call)

    command = undone(entry, call.body["date"], call.body["narration"], version)
    return take_entry(call, lambda _: command, lambda _: number)


def take_entry(
    call: Call, made: Callable[[Ledger], PostEntry], number_of: Callable[[Ledger], int]
) -> Answer:
    """Posts what *made* makes of the ledger's state into the journal *number_of* leads to.

    A ledger never takes back what it allows of a year that is open, and that a year is not
    closed is the journal's to know: so a state from an earlier request will do, and only a
    refusal needs the newest.
    """
    states, stream = call.services.states, ledger.stream(call.key)
    read = states.known(ledger, stream)
    command: PostEntry | TurnDown
    try:
        command = allowed_by(read.state, made)
    except (Problem, Refused):
        read = states.newest(ledger, stream)
        try:
            command = allowed_by(read.state, made)
        except Refused as refusal:
            command = TurnDown(refusal.code, refusal.facts)
    number = number_of(read.state)
    try:
        target = journal_key(call.key, number)
        request = request_of(call, journal, target, command, deps=((stream, read.version),))
        version = perform(call, request)
    except Refused as refusal:
        raise in_amounts(refusal, read.state) from refusal
    taken = entry_id(number, version)
    beside = "../" if call.path else "entries/"
    return Answer(
        {"ledgerId": call.key, "entryId": taken}, {"Location": beside + taken}, call.route.status
    )


def allowed_by(state: Ledger, made: Callable[[Ledger], PostEntry]) -> PostEntry:
    """The command that *made* makes; raises `Refused` or `Problem` if *state* is against it."""
    if state.status == "missing":
        raise Problem("ledger-missing")
    command = made(state)
    booked = ((posting.account, posting.currency) for posting in command.postings)
    check_entry(command.date, booked, state)
    return command


def postings_of(given: list[Mapping[str, Any]], state: Ledger) -> tuple[Posting, ...]:
    """The postings of a body, in minor units."""
    made = []
    for index, posting in enumerate(given):
        currency = posting["amount"]["currency"]
        try:
            minor = minor_of(posting["amount"], state.commodities)
        except ValueError as error:
            at = {"pointer": f"/postings/{index}/amount/amount", "detail": str(error)}
            raise Problem("invalid-body", errors=[at]) from error
        if minor is None:
            raise Problem("unknown-commodity", posting=index, commodity=currency)
        made.append(Posting(posting["account"], minor, currency))
    return tuple(made)


def in_amounts(refusal: Refused, state: Ledger) -> Refused:
    """The refusal with its difference as Amounts."""
    difference = refusal.facts.get("difference")
    if difference is None:
        return refusal
    shown = amounts(difference, state.commodities)
    return Refused(refusal.code, **{**refusal.facts, "difference": shown})


def entry_of(call: Call) -> tuple[int, int, EntryPosted, str]:
    """(journal, version, entry, when it was posted) of the path's {entry}."""
    number, version = map(int, call.path["entry"].split("-"))
    stream = journal.stream(journal_key(call.key, number))
    for commit in call.services.events.range(stream, version, version):
        event = journal.codec.decode(commit.events[0])
        if isinstance(event, EntryPosted):
            return number, version, event, commit.at
    raise Problem("entry-missing")


def show_entry(call: Call) -> Answer:
    """An entry, from its journal."""
    number, version, entry, at = entry_of(call)
    commodities = commodities_of(call, {posting.currency for posting in entry.postings})
    return Answer(entry_shown(call.key, (number, version), entry, at, commodities))


def entry_shown(
    key: str, where: tuple[int, int], entry: EntryPosted, at: str, commodities: Mapping[str, int]
) -> Row:
    """An entry of the ledger *key*; *where* are its journal and its version there."""
    number, version = where
    return {
        "ledgerId": key,
        "entryId": entry_id(number, version),
        "postedAt": at,
        "date": entry.date,
        "narration": entry.narration,
        "payee": entry.payee,
        "reverses": None if entry.reverses is None else entry_id(number, entry.reverses),
        "postings": [
            {
                "account": posting.account,
                "amount": amount(posting.amount, posting.currency, commodities),
            }
            for posting in entry.postings
        ],
    }


def list_entries(call: Call) -> Answer:
    """A page of a journal's entries, from its stream, so that it lacks none."""
    number, limit = call.query["journal"], call.query["limit"]
    state = call.services.states.newest(ledger, ledger.stream(call.key)).state
    if state.status == "missing":
        raise Problem("ledger-missing")
    if number >= state.journals:
        detail = f"must be under {state.journals}, the number of the ledger's journals"
        raise Problem("invalid-query", errors=[{"parameter": "journal", "detail": detail}])
    stream = journal.stream(journal_key(call.key, number))
    (first,) = after_of(call, whole(1, LARGEST_VERSION)) or (1,)
    commits = commits_from(call.services.events, stream, first)
    entries = (
        (commit.version, event, commit.at)
        for commit in commits
        if isinstance(event := journal.codec.decode(commit.events[0]), EntryPosted)
    )
    page: list[Row] = []
    room, following = POSTINGS_SHOWN, None
    for version, entry, at in entries:
        if len(page) == limit or room <= 0:
            following = cursor(call, [version])
            break
        page.append(entry_shown(call.key, (number, version), entry, at, state.commodities))
        room -= len(entry.postings)
    return Answer({"items": page, "next": following})


def commodities_of(call: Call, currencies: set[str]) -> Mapping[str, int]:
    """What the ledger declared; read again if one of *currencies* is not among it."""
    states, stream = call.services.states, ledger.stream(call.key)
    state = cast("Ledger", states.known(ledger, stream).state)
    if any(domain.digits_of(currency, state) is None for currency in currencies):
        state = states.newest(ledger, stream).state
    return state.commodities


def close_year(call: Call) -> Answer:
    """Begins the close; the ledger tells when it is done."""
    today = call.services.clock().date().isoformat()
    return execute(call, ledger, call.key, CloseYear(call.path["year"], today))


def ledger_shown(row: Row) -> Row:
    """The ledger's document of its row."""
    commodities = row["commodities"]
    return {
        **row,
        "accounts": [{"code": code, **held} for code, held in sorted(row["accounts"].items())],
        "commodities": [{"code": c, "digits": d} for c, d in sorted(commodities.items())],
        "years": [
            {
                "year": year["year"],
                "state": year["state"],
                "journalsClosed": year["gathered"],
                "profit": amounts(year["profit"], commodities),
            }
            for year in row["years"]
        ],
    }


def show(call: Call) -> Answer:
    """The chart and the years."""
    return document(call, "ledgers", ledger, LedgerDocument(), ledger_shown)


missing = ("ledger-missing",)
allowed = (
    *missing,
    "year-not-open",
    "year-closed",
    "unknown-account",
    "currency-not-kept",
)
# The version of a journal says nothing to a client: entries heed no If-Match.
of_every_entry = tuple(code for code in OF_EVERY_COMMAND if code != "version-mismatch")


def entry_route(
    name: str,
    path: str,
    summary: str,
    body: Schema,
    answer: Callable[[Call], Answer],
    refusals: tuple[str, ...],
) -> Route:
    """POST *path* makes an entry."""
    return Route(
        "POST",
        path,
        name,
        summary,
        answer,
        EntryTaken(),
        status=201,
        gives=("Location",),
        aggregate=ledger,
        parts=EntryPath() if "{entry}" in path else NoFields(),
        body=body,
        heeds=(IDEMPOTENCY_KEY,),
        problems=(*of_every_entry, *allowed, *refusals),
    )


routes: tuple[Route, ...] = (
    opening_route(
        ledger,
        "/ledgers",
        Takes("Open a ledger", OpenLedgerBody(), open_command, ("ledger-exists",)),
        LedgerChanged(),
    ),
    *command_routes(
        ledger,
        "/ledgers",
        LedgerChanged(),
        {
            "accounts": Takes(
                "Extend the chart of accounts",
                AccountsBody(),
                extend_command,
                (
                    *missing,
                    "account-type-differs",
                    "commodity-differs",
                    "unknown-commodity",
                    "chart-full",
                ),
            ),
            "years": Takes(
                "Open the next year",
                YearBody(),
                lambda body: OpenYear(body["year"]),
                (*missing, "year-exists", "year-not-next", "earlier-year-open"),
            ),
        },
    ),
    entry_route(
        "post_entry",
        "/ledgers/{id}/entries",
        "Post a balanced entry",
        EntryBody(),
        post_entry,
        ("unknown-commodity", "unbalanced-entry"),
    ),
    entry_route(
        "reverse_entry",
        "/ledgers/{id}/entries/{entry}/reversal",
        "Reverse an entry, in an open year",
        ReversalBody(),
        reverse_entry,
        ("entry-missing", "entry-reversed", "journal-full"),
    ),
    Route(
        "POST",
        "/ledgers/{id}/years/{year}/close",
        "close_year",
        "Close the oldest open year; the ledger tells when it is closed",
        close_year,
        LedgerChanged(),
        status=202,
        gives=GIVEN,
        aggregate=ledger,
        parts=YearPath(),
        body=NoFields(),
        heeds=HEEDED,
        problems=(
            *OF_EVERY_COMMAND,
            *missing,
            "year-not-open",
            "year-closed",
            "year-closing",
            "year-not-over",
            "earlier-year-open",
        ),
    ),
    Route(
        "GET",
        "/ledgers/{id}",
        "show_ledger",
        "A ledger's chart of accounts and its years",
        show,
        LedgerDocument(),
        gives=("ETag",),
        aggregate=ledger,
        query=LedgerQuery(),
        heeds=(IF_NONE_MATCH,),
        problems=(*missing, *FRESHNESS),
    ),
    Route(
        "GET",
        "/ledgers/{id}/entries",
        "list_entries",
        "All entries of one of a ledger's journals",
        list_entries,
        EntryList(),
        aggregate=ledger,
        query=EntriesQuery(),
        problems=(*missing, "bad-cursor", "unavailable"),
    ),
    Route(
        "GET",
        "/ledgers/{id}/entries/{entry}",
        "show_entry",
        "An entry of a ledger",
        show_entry,
        EntryShown(),
        aggregate=ledger,
        parts=EntryPath(),
        problems=(*missing, "entry-missing", "unavailable"),
    ),
)

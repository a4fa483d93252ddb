"""Entries of a ledger over HTTP: posted, reversed, shown and listed."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from marshmallow import Schema, fields, validate

from chalicelib.bank.ledger.amounts import amount, amounts
from chalicelib.bank.ledger.domain import MOST_JOURNALS, ledger
from chalicelib.bank.ledger.http.fields import Amount, account_field, entry_field
from chalicelib.bank.ledger.journal import EntryId
from chalicelib.bank.ledger.service import (
    AmountError,
    Draft,
    Entry,
    Ledgers,
    Line,
    Reversal,
    entry_in,
    journal_of,
    ledgers_of,
)
from chalicelib.leftfold.commands.handler import CommandRequest
from chalicelib.leftfold.http.commands import OF_EVERY_COMMAND, perform, request_of
from chalicelib.leftfold.http.cursors import after_of, cursor, whole
from chalicelib.leftfold.http.fields import (
    LARGEST_VERSION,
    NoFields,
    Pages,
    Shown,
    Strict,
    Whole,
    day,
    key,
    text,
)
from chalicelib.leftfold.http.headers import IDEMPOTENCY_KEY
from chalicelib.leftfold.http.history import commits_from
from chalicelib.leftfold.http.problems import Problem
from chalicelib.leftfold.http.routes import Answer, Call, Route
from chalicelib.leftfold.kernel import Refused, Row

MOST_POSTINGS = 500
# A page of entries ends after so many postings, of 250 bytes each: an answer has 6 MB at most.
POSTINGS_SHOWN = 5_000


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
    """The date of a reversal, in an open year, and its reason."""

    date = day(required=True)
    narration = text(500, required=True)


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


class EntryPath(Strict):
    """Which entry: its journal and its version there."""

    entry = entry_field(required=True)


class EntryList(Shown):
    """A page of a journal's entries, in the order in which they were posted."""

    items = fields.List(fields.Nested(EntryShown), required=True)
    next = fields.String(required=True, allow_none=True)


class EntriesQuery(Pages):
    """Which journal: they are numbered from 0."""

    journal = Whole(0, MOST_JOURNALS - 1, required=True)


def post_entry(call: Call) -> Answer:
    """Posts the entry of the body."""
    lines = tuple(Line(line["account"], line["amount"]) for line in call.body["postings"])
    draft = Draft(call.body["date"], call.body["narration"], lines, call.body.get("payee"))
    return take(call, ledgers(call).post, draft, "entries/")


def reverse_entry(call: Call) -> Answer:
    """Posts the opposite of the path's entry."""
    reversal = Reversal(entry_asked(call), call.body["date"], call.body["narration"])
    return take(call, ledgers(call).reverse, reversal, "../")


def take(
    call: Call, execute: Callable[[CommandRequest], EntryId], command: Any, beside: str
) -> Answer:
    """The entry that *execute* makes of *command*; *beside* leads to a ledger's entries."""
    try:
        taken = str(execute(request_of(call, ledger, call.key, command)))
    except AmountError as error:
        at = {"pointer": f"/postings/{error.line}/amount/amount", "detail": str(error)}
        raise Problem("invalid-body", errors=[at]) from error
    except Refused as refusal:
        raise in_amounts(refusal, call) from refusal
    return Answer(
        {"ledgerId": call.key, "entryId": taken}, {"Location": beside + taken}, call.route.status
    )


def in_amounts(refusal: Refused, call: Call) -> Refused:
    """The refusal with its difference as amounts in text."""
    difference = refusal.facts.get("difference")
    if difference is None:
        return refusal
    commodities = ledgers(call).commodities(call.stream(ledger), difference)
    shown = amounts(difference, commodities)
    return Refused(refusal.code, difference=shown)


def ledgers(call: Call) -> Ledgers:
    """The application's ledgers; an unknown outcome of a command becomes a problem."""
    return replace(ledgers_of(call.services), execute=partial(perform, call))


def entry_asked(call: Call) -> EntryId:
    """The path's {entry}."""
    return EntryId.parse(call.path["entry"])


def show_entry(call: Call) -> Answer:
    """An entry, from its journal."""
    stream = call.stream(ledger)
    entry = ledgers(call).entry(stream, entry_asked(call))
    currencies = {posting.currency for posting in entry.posted.postings}
    return Answer(entry_shown(call.key, entry, ledgers(call).commodities(stream, currencies)))


def entry_shown(ledger_key: str, entry: Entry, commodities: Mapping[str, int]) -> Row:
    """An entry of the ledger *ledger_key*."""
    posted = entry.posted
    reverses = None if posted.reverses is None else str(entry.id._replace(version=posted.reverses))
    return {
        "ledgerId": ledger_key,
        "entryId": str(entry.id),
        "postedAt": entry.at,
        "date": posted.date,
        "narration": posted.narration,
        "payee": posted.payee,
        "reverses": reverses,
        "postings": [
            {
                "account": posting.account,
                "amount": amount(posting.amount, posting.currency, commodities),
            }
            for posting in posted.postings
        ],
    }


def list_entries(call: Call) -> Answer:
    """A page of a journal's entries, from its stream, so that it lacks none."""
    stream, number, limit = call.stream(ledger), call.query["journal"], call.query["limit"]
    state = ledgers(call).newest(stream)
    if number >= state.journals:
        detail = f"must be under {state.journals}, the number of the ledger's journals"
        raise Problem("invalid-query", errors=[{"parameter": "journal", "detail": detail}])
    (first,) = after_of(call, whole(1, LARGEST_VERSION)) or (1,)
    services = call.services
    commits = commits_from(services.events, services.vault, journal_of(stream, number), first)
    entries = (
        entry for commit in commits if (entry := entry_in(commit, services.repairs)) is not None
    )
    page: list[Row] = []
    room, following = POSTINGS_SHOWN, None
    for entry in entries:
        if len(page) == limit or room <= 0:
            following = cursor(call, [entry.id.version])
            break
        page.append(entry_shown(call.key, entry, state.commodities))
        room -= len(entry.posted.postings)
    return Answer({"items": page, "next": following})


missing = ("ledger-missing",)
allowed = (
    *missing,
    "year-not-open",
    "year-closed",
    "unknown-account",
    "currency-not-kept",
)
# A client has no use for the version of a journal, so entries heed no If-Match.
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
        scope="commands",
        status=201,
        gives=("Location",),
        aggregate=ledger,
        parts=EntryPath() if "{entry}" in path else NoFields(),
        body=body,
        heeds=(IDEMPOTENCY_KEY,),
        problems=(*of_every_entry, *allowed, *refusals),
    )


routes: tuple[Route, ...] = (
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
        "GET",
        "/ledgers/{id}/entries",
        "list_entries",
        "All entries of one of a ledger's journals",
        list_entries,
        EntryList(),
        scope="queries",
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
        scope="queries",
        aggregate=ledger,
        parts=EntryPath(),
        problems=(*missing, "entry-missing", "unavailable"),
    ),
)

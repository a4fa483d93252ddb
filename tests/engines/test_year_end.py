"""Entries and a year's close race on DynamoDB Local, with 5 % of all requests struck."""

from concurrent.futures import ThreadPoolExecutor
from random import Random
from threading import Event
from time import time_ns

from chalicelib.bank.ledger.balances import Change, changes_of, plus, sums
from chalicelib.bank.ledger.domain import (
    CloseYear,
    ExtendChart,
    Ledger,
    LedgerAccount,
    OpenLedger,
    ledger,
)
from chalicelib.bank.ledger.journal import Journal, PostEntry, Posting, journal, journal_key
from chalicelib.bank.ledger.policies import close_journals, gather_year
from chalicelib.domain import DOMAIN
from chalicelib.leftfold.commands.handler import CommandHandler, CommandRequest, ContentionError
from chalicelib.leftfold.commands.reading import States
from chalicelib.leftfold.kernel import Aggregate, Refused
from chalicelib.leftfold.kernel.uuid7 import uuid7
from chalicelib.leftfold.store.ports import Unavailable
from tests.engines.deployment import Deployment, WallClock
from tests.vaults import vault_of
from tests.workflow import Workflow

JOURNALS, WRITERS, ENTRIES = 3, 4, 40
SEED = 11
FINGERPRINTS = dict.fromkeys(DOMAIN.aggregates, "fold")
CASH, PAY, RETAINED = "Assets:Cash", "Income:Pay", "Equity:Retained"
CHART = (LedgerAccount(CASH, "asset", ("CZK",)), LedgerAccount(PAY, "income", ("CZK",)))


def handler_of(deployment: Deployment, role: str | None) -> CommandHandler:
    """The command handler of one function."""
    services = deployment.services(role)
    return CommandHandler(
        services.events, FINGERPRINTS, WallClock(), services.pause, services.vault
    )


def settled(handler: CommandHandler, aggregate: Aggregate, key: str, command: object) -> bool:
    """Whether a command was taken, which is asked for until it is known."""
    command_id = uuid7(time_ns() // 1_000_000, Random(repr((key, command))).randbytes(10))
    request = CommandRequest(
        aggregate, aggregate.stream(key, "main"), command, command_id, "00" * 8, "test", "test"
    )
    while True:
        try:
            return handler.execute(request) > 0
        except (Unavailable, ContentionError):
            continue
        except Refused:
            return False


def entry(number: int) -> PostEntry:
    """Each is of another amount; two of three are of the year that is closed."""
    day = f"{2021 if number % 3 == 0 else 2020}-05-01"
    postings = (Posting(CASH, number, "CZK"), Posting(PAY, -number, "CZK"))
    return PostEntry(day, "pay", postings)


def changes(entries: list[PostEntry], year: str) -> list[Change]:
    return [
        (posting.account, posting.amount, posting.currency)
        for taken in entries
        if taken.date.startswith(year)
        for posting in taken.postings
    ]


def test_each_entry_is_in_one_year_and_the_books_balance(dynamodb_local: str) -> None:
    deployment = Deployment(dynamodb_local, SEED, rate=0.05)
    first, *handlers = [handler_of(deployment, "writer") for _ in range(1 + WRITERS)]
    posting_began = Event()
    # What the workflow finds to do it may read in peace; each command may be struck.
    calm = deployment.services().events
    workflow = Workflow(calm, first, (close_journals, gather_year))
    assert settled(first, ledger, "a", OpenLedger("Ada", 2020, RETAINED, JOURNALS))
    assert settled(first, ledger, "a", ExtendChart(CHART))

    def post(writer: int) -> list[PostEntry]:
        taken = []
        for number in range(1 + writer * ENTRIES, 1 + (writer + 1) * ENTRIES):
            if settled(
                handlers[writer], journal, journal_key("a", number % JOURNALS), entry(number)
            ):
                taken.append(entry(number))
            if len(taken) == ENTRIES // 4:
                posting_began.set()
        return taken

    def close() -> None:
        posting_began.wait()
        assert settled(first, ledger, "a", CloseYear(2020, "2021-01-01"))
        while True:
            try:
                return workflow.run()
            except (Unavailable, ContentionError):
                continue

    with ThreadPoolExecutor(WRITERS + 1) as threads:
        closing = threads.submit(close)
        posted = [taken for found in threads.map(post, range(WRITERS)) for taken in found]
        closing.result()
    deployment.calm_down()

    states = States(calm, FINGERPRINTS, vault_of())
    books: Ledger = states.newest(ledger, ledger.stream("a", "main")).state
    stored: list[Journal] = [
        states.newest(journal, journal.stream(journal_key("a", number), "main")).state
        for number in range(JOURNALS)
    ]
    of_year, of_next = changes(posted, "2020"), changes(posted, "2021")
    earned = sum(amount for account, amount, _ in of_year if account == CASH)
    assert of_year
    assert not settled(first, journal, journal_key("a", 0), entry(1000))
    assert books.open_years == (2021,)
    assert books.opening == {CASH: {"CZK": earned}, RETAINED: {"CZK": -earned}}
    assert sums(changes_of(books.opening)) == {}
    left = [change for j in stored for change in changes_of(j.totals.get("2021", {}))]
    assert plus({}, left) == plus({}, of_next)
    assert all(j.closed_through == 2020 and set(j.totals) <= {"2021"} for j in stored)

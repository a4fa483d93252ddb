"""`leftfold import`: a bank file to Leftfold and back: read, book, compare, report."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from chalicelib.bank.money import LARGEST_AMOUNT, Money
from tools.api import Api
from tools.bank.bank_file import BankFile, Note, read
from tools.bank.checking import (
    Totals,
    check,
    stated,
    totals,
    wait_for_totals,
    wait_for_views,
    wrong_histories,
    wrong_statements,
)
from tools.bank.histories import History, differing_alone, histories, last_month_before
from tools.bank.importing import Imported, import_all
from tools.bank.latency import Sampler, percentiles
from tools.bank.terminal import accounts_table, amount, rejected_table
from tools.console import bar, console, errors
from tools.files import FileError
from tools.signing_in import signed_in
from tools.texts import counted

# Batches that are sent one at a time.
FOLLOWED = 25
SHOWN = 10
NOTES_SHOWN = 50

Finder = Callable[[Api, Sequence[Imported], Callable[[], None]], list[str]]


@dataclass(frozen=True)
class Selection:
    """The first *accounts* of a file, all without; of the first *statements* of them one
    is closed at the end of each month that is over.

    With *opening_balance*, an account that has nothing yet gets the balance before its first
    row as a booking. An account that is opened gets at least *credit_limit*, a plain decimal.
    """

    currency: str
    accounts: int | None = None
    statements: int = 0
    opening_balance: bool = False
    credit_limit: str = "0"


def import_file(
    url: str,
    path: Path,
    selection: Selection,
    *,
    fresh: bool = False,
    then: Callable[[], bool] | None = None,
) -> bool:
    """Imports the selection and checks it; True if all went well.

    In a *fresh* deployment the totals of the whole bank must be the file's as well. What *then* does,
    if it is given, must change nothing that is shown. Raises FileError and ApiError.
    """
    currency = selection.currency
    file = read(path, currency)
    limit = credit_limit(selection)
    over = last_month_before(datetime.now(UTC).date().isoformat())
    found, not_following = histories(
        file.lines, currency, rejected=file.rejected, statements=selection.statements, over=over
    )
    chosen = [replace(history, least_credit=limit) for history in found[: selection.accounts]]
    sent = [history for history in chosen if history.withheld is None and not file.unattributed]
    console.print(f"{path.name}: {_count(chosen)} of {counted(len(chosen), 'account')}")
    _show_fold(sent)
    _show_notes([*_orders(chosen), *file.notes])
    last = max((line.day[:7] for line in file.lines), default="")
    if selection.statements and last > over:
        console.print(f"the month of {last} is not over: no statement is closed for it")
    _show_withheld(chosen, file)
    with Api(url, auth=signed_in(url)) as api:
        done = _import(api, sent, opening_balance=selection.opening_balance)
        _show_notes([note for account in done for note in account.notes])
        refused = [line for account in done for line in account.rejected]
        all_rejected = [*file.rejected, *not_following, *refused]
        if all_rejected:
            console.print(f"{len(all_rejected):,} lines rejected:", style="bold red")
            console.print(rejected_table(all_rejected))
        agree = agrees(api, done, currency, fresh=fresh)
        if then is not None:
            agree = then() and agrees(api, done, currency, fresh=fresh) and agree
    return agree and not all_rejected


def credit_limit(selection: Selection) -> int:
    """The least limit in minor units. Raises FileError for what is none."""
    try:
        limit = Money.parse(selection.credit_limit, selection.currency).minor
    except ValueError as error:
        raise FileError(f"credit limit {selection.credit_limit!r} {error}") from None
    if not 0 <= limit < LARGEST_AMOUNT:
        bound = Money(LARGEST_AMOUNT, selection.currency)
        raise FileError(f"credit limit {selection.credit_limit!r} must be from 0 to under {bound}")
    return limit


def _show_fold(sent: list[History]) -> None:
    """Folds every row by the rules alone, and shows whether each balance is the bank's."""
    differing = sum(len(differing_alone(history)) for history in sent)
    verdict = f"{differing:,} differ" if differing else "the bank's"
    console.print(f"by the rules alone, the balance after every row: {verdict}")


def _orders(chosen: list[History]) -> Iterator[Note]:
    """A note for each account whose rows stand newest first."""
    for history in chosen:
        if history.newest_first:
            last, first = history.lines[0], history.lines[-1]
            yield Note(
                first.number,
                f"account {history.account} has its rows in descending order ({first.day} to"
                f" {last.day}); they are read from the end",
            )


def _show_notes(notes: Sequence[Note]) -> None:
    for note in sorted(notes)[:NOTES_SHOWN]:
        console.print(f"note: line {note.number}: {note.text}", markup=False)
    if len(notes) > NOTES_SHOWN:
        console.print(f"… {len(notes) - NOTES_SHOWN:,} more notes")


def _show_withheld(chosen: list[History], file: BankFile) -> None:
    """Names the accounts of which nothing is sent, because some of their lines must be mended."""
    if unattributed := file.unattributed:
        numbers = ", ".join(str(line.number) for line in unattributed[:SHOWN])
        console.print(
            f"nothing is imported: any account may be that of line {numbers}"
            f"{', …' if len(unattributed) > SHOWN else ''}; mend it and run this again",
            style="bold red",
        )
        return
    withheld = [history for history in chosen if history.withheld is not None]
    for history in withheld[:SHOWN]:
        console.print(
            f"account {history.account}: nothing is sent of its {len(history.lines):,} good rows,"
            f" and no statement is closed: {history.withheld}; then run this again",
            style="bold red",
        )
    if len(withheld) > SHOWN:
        console.print(f"… {len(withheld) - SHOWN:,} more accounts", style="bold red")


def _import(api: Api, chosen: list[History], *, opening_balance: bool) -> list[Imported]:
    """First a few commands one at a time, to see how fast rows follow, then all at once."""
    few = followed(chosen)
    rows = sum(len(history.lines) for history in chosen)
    with bar("importing rows", rows) as progress, Sampler(api) as alone, Sampler(api) as loaded:
        (task,) = progress.task_ids

        def follow(account: str, version: int, count: int) -> None:
            progress.advance(task, count)
            alone.follow(account, version)

        def offer(account: str, version: int, count: int) -> None:
            progress.advance(task, count)
            loaded.offer(account, version)

        first = import_all(api, few, follow, workers=1, opening_balance=opening_balance)
        rest = import_all(api, chosen[len(few) :], offer, opening_balance=opening_balance)
    accounts = [*first.accounts, *rest.accounts]
    known = sum(account.known for account in accounts)
    rate = rest.rows / rest.seconds if rest.seconds else 0
    before = f"; {known:,} were booked before" if known else ""
    console.print(f"{counted(first.rows + rest.rows, 'row')} booked, {rate:,.0f} rows/s{before}")
    for when, sampler in (("one at a time", alone), ("at full speed", loaded)):
        if measured := percentiles(sampler.seconds):
            console.print(
                f"from answer to row, {when}: p50 {measured.p50 * 1000:,.0f} ms,"
                f" p99 {measured.p99 * 1000:,.0f} ms ({measured.samples} samples)"
            )
    return accounts


def agrees(api: Api, done: list[Imported], currency: str, *, fresh: bool) -> bool:
    """Whether Leftfold shows the bank's balances, and if *fresh* the file's totals."""
    accounts = [account for account in done if account.version]
    with errors.status("waiting for the views"):
        wait_for_views(api, accounts)
    with bar("comparing accounts", len(accounts)) as progress:
        (task,) = progress.task_ids
        checked = check(api, accounts, lambda: progress.advance(task))
    if checked:
        console.print(accounts_table(checked, currency))
    mismatches = sum(not account.agrees for account in checked)
    if accounts:
        style = "bold red" if mismatches else "bold green"
        console.print(f"{mismatches:,} mismatches", style=style)
        mismatches += _differing(api, accounts, "events", wrong_histories)
    closed = sum(len(account.closed) for account in accounts)
    if closed:
        mismatches += _differing(api, accounts, counted(closed, "statement"), wrong_statements)
    if fresh:
        with errors.status("waiting for the totals"):
            wait_for_totals(api, accounts)
    whole = totals(api, currency) or Totals(0, 0, 0)
    console.print(f"totals of the whole bank: {_described(whole, currency)}")
    if fresh and whole != stated(done):
        console.print(f"the file's: {_described(stated(done), currency)}", style="bold red")
        return False
    return mismatches == 0


def followed(chosen: list[History]) -> list[History]:
    """The first accounts, of few batches together; none if that is all there is."""
    batches = 0
    for index, history in enumerate(chosen):
        batches += sum(1 for period in history.periods() for _ in period.batches())
        if batches > FOLLOWED:
            return chosen[:index]
    return []


def _differing(api: Api, accounts: list[Imported], what: str, find: Finder) -> int:
    """The number of accounts that *find* returns: those whose *what* differ from the file."""
    with bar(f"comparing {what}", len(accounts)) as progress:
        (task,) = progress.task_ids
        wrong = find(api, accounts, lambda: progress.advance(task))
    verdict = f"{len(wrong):,} accounts whose {what} are not the file's"
    console.print(verdict, style="bold red" if wrong else "bold green")
    for difference in wrong[:SHOWN]:
        console.print(difference)
    return len(wrong)


def _described(whole: Totals, currency: str) -> str:
    balance = f"{amount(whole.balance, currency)} {currency}"
    return f"{counted(whole.accounts, 'account')}, {counted(whole.bookings, 'booking')}, {balance}"


def _count(chosen: list[History]) -> str:
    return counted(sum(len(history.lines) for history in chosen), "row")

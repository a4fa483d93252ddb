"""Ledgers with their charts and years, trial balances by day, and every posting."""

from collections.abc import Iterable

from chalicelib.bank.ledger import domain
from chalicelib.bank.ledger import journal as journals
from chalicelib.bank.ledger.domain import (
    BalancesBroughtForward,
    ChartExtended,
    JournalGathered,
    LedgerAccount,
    LedgerOpened,
    YearClosed,
    YearClosing,
    YearOpened,
)
from chalicelib.bank.ledger.journal import EntryId, EntryPosted, Posting, ledger_and_number
from chalicelib.leftfold.kernel import AggregateId, Recorded, Row, View


def ledger_keys(recorded: Recorded) -> Iterable[str]:
    """One row a ledger."""
    return (recorded.aggregate_id,)


def ledger_row(row: Row | None, recorded: Recorded, _key: str) -> Row:
    """The ledger as it stands: its chart by code, its years from the first one on."""
    match recorded.event:
        case LedgerOpened(name, first_year, retained_earnings, journals):
            shown = {
                "ledgerId": recorded.key,
                "name": name,
                "firstYear": first_year,
                "retainedEarnings": retained_earnings,
                "journals": journals,
                "commodities": {},
                "accounts": {
                    retained_earnings: account_row(LedgerAccount(retained_earnings, "equity", ()))
                },
                "years": [year_row(first_year)],
            }
        case ChartExtended(accounts, commodities):
            shown = {
                **opened(row),
                "commodities": {**opened(row)["commodities"], **commodities},
                "accounts": charted(opened(row)["accounts"], accounts),
            }
        case YearOpened(year):
            shown = {**opened(row), "years": [*opened(row)["years"], year_row(year)]}
        case YearClosing(year):
            shown = with_year(opened(row), year, state="closing", gathered=0)
        case JournalGathered(year):
            (of_year,) = (y for y in opened(row)["years"] if y["year"] == year)
            shown = with_year(opened(row), year, gathered=of_year["gathered"] + 1)
        case YearClosed(year, profit):
            shown = with_year(opened(row), year, state="closed", profit=profit)
        case BalancesBroughtForward():
            # The row has the chart already, and the trial balance has the balances.
            shown = opened(row)
        case other:
            raise TypeError(f"no row for {other!r}")
    return {**shown, "version": recorded.version}


def opened(row: Row | None) -> Row:
    """*row*, which the opening of the ledger made. Raises LookupError if there is none."""
    if row is None:
        raise LookupError("an event of a ledger that was never opened")
    return row


def account_row(account: LedgerAccount) -> Row:
    return {
        "type": account.type,
        "name": account.name,
        "currencies": list(account.currencies),
    }


def charted(chart: Row, accounts: Iterable[LedgerAccount]) -> Row:
    """The chart's rows after its extension."""
    accounts_before = {
        code: LedgerAccount(code, row["type"], tuple(row["currencies"]), row["name"])
        for code, row in chart.items()
    }
    return {code: account_row(a) for code, a in domain.extended(accounts_before, accounts).items()}


def year_row(year: int) -> Row:
    return {"year": year, "state": "open", "gathered": 0, "profit": {}}


def with_year(row: Row, year: int, **changes: object) -> Row:
    """The row with *changes* in one of its years."""
    years = [{**y, **changes} if y["year"] == year else y for y in row["years"]]
    return {**row, "years": years}


def trial_keys(recorded: Recorded) -> Iterable[str]:
    """The rows of an entry's day and month, and that of a year's opening balances."""
    match recorded.event:
        case EntryPosted(date):
            ledger = ledger_of(recorded.aggregate_id)
            yield day_key(ledger, date)
            yield month_key(ledger, date[:7])
        case BalancesBroughtForward():
            yield opening_key(recorded.aggregate_id, recorded.event.open_years[0])


def day_key(ledger: str, day: str) -> str:
    return f"{ledger}/days/{day}"


def month_key(ledger: str, month: str) -> str:
    """The key of a month, such as 2026-01."""
    return f"{ledger}/months/{month}"


def opening_key(ledger: str, year: int) -> str:
    return f"{ledger}/openings/{year:04}"


def ledger_of(journal: str) -> str:
    """The aggregate id of the ledger that a journal belongs to."""
    tenant, _, key = AggregateId.parse(journal)
    return domain.ledger.stream(ledger_and_number(key)[0], tenant)


def trial_row(row: Row | None, recorded: Recorded, _key: str) -> Row:
    """Debits and credits by account and commodity; in the row of an opening, the balances."""
    match recorded.event:
        case EntryPosted(_, _, postings):
            moved = {account: dict(sums) for account, sums in (row or {}).items()}
            for posting in postings:
                of_account = moved.setdefault(posting.account, {})
                debits, credits_ = of_account.get(posting.currency, (0, 0))
                of_account[posting.currency] = [
                    debits + max(posting.amount, 0),
                    credits_ + max(-posting.amount, 0),
                ]
            return moved
        case BalancesBroughtForward():
            return recorded.event.opening
        case other:
            raise TypeError(f"no row for {other!r}")


def trials_together(earlier: Row, later: Row, key: str) -> Row:
    """The sums of both; the later of two openings."""
    if "/openings/" in key:
        return later
    moved = {account: dict(sums) for account, sums in earlier.items()}
    for account, sums in later.items():
        of_account = moved.setdefault(account, {})
        for code, (debits, credits_) in sums.items():
            before = of_account.get(code, (0, 0))
            of_account[code] = [before[0] + debits, before[1] + credits_]
    return moved


def posting_keys(recorded: Recorded) -> Iterable[str]:
    """One document a posting, in the order of its journal."""
    if isinstance(recorded.event, EntryPosted):
        for index in range(len(recorded.event.postings)):
            yield f"{recorded.aggregate_id}/{recorded.version:010}/{index:03}"


def posting_row(_row: Row | None, recorded: Recorded, key: str) -> Row:
    """A posting and the entry that it is part of."""
    entry: EntryPosted = recorded.event
    index = int(key.rpartition("/")[2])
    posting: Posting = entry.postings[index]
    ledger, number = ledger_and_number(recorded.key)
    reverses = None if entry.reverses is None else str(EntryId(number, entry.reverses))
    return {
        "ledgerId": ledger,
        "entryId": str(EntryId(number, recorded.version)),
        "journal": number,
        "version": recorded.version,
        "index": index,
        "postedAt": recorded.at,
        "date": entry.date,
        "account": posting.account,
        "amount": posting.amount,
        "currency": posting.currency,
        "narration": entry.narration,
        "payee": entry.payee,
        "reverses": reverses,
    }


ledgers = View(
    "ledgers",
    {"ledger": domain.codec},
    ledger_keys,
    ledger_row,
    store="documents",
    fed="log",
)

trial_balance = View(
    "trial_balance",
    {"ledger": domain.codec, "journal": journals.codec},
    trial_keys,
    trial_row,
    store="documents",
    order="ordered",
    merge=trials_together,
)

postings = View(
    "postings",
    {"journal": journals.codec},
    posting_keys,
    posting_row,
    store="search",
    fed="log",
    accumulates=False,
    fields={
        "ledgerId": "keyword",
        "entryId": "keyword",
        "journal": "long",
        "version": "long",
        "index": "long",
        "postedAt": "date",
        "date": "date",
        "account": "keyword",
        "amount": "long",
        "currency": "keyword",
        "narration": "text",
        "payee": "text",
        "reverses": "keyword",
    },
)

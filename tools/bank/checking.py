"""Compares what Leftfold shows with the bank's own books."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from chalicelib.bank.money import Money
from tools.api import Api
from tools.bank.importing import WORKERS, Imported, see_later

PAGE = 500


class Checked(NamedTuple):
    """An account's balance by each source, in minor units; None: it shows no such account."""

    account: str
    rows: int
    bank: int
    document: int | None
    search: int | None

    @property
    def agrees(self) -> bool:
        return self.bank == self.document == self.search


class Totals(NamedTuple):
    """The row of the ordered view for one currency."""

    accounts: int
    bookings: int
    balance: int


def wait_for_views(api: Api, imported: Sequence[Imported]) -> None:
    """Waits until every view shows the accounts that were imported last.

    Raises ApiError if a view stays behind.
    """
    for done in imported[-WORKERS:]:
        fresh = {"account": done.history.account, "minVersion": done.version}
        for path in ("/accounts", "/bookings"):
            api.query(path, limit=1, **fresh)
        api.query("/totals", **fresh)


def wait_for_totals(api: Api, imported: Sequence[Imported]) -> None:
    """Waits until the totals have counted everything that was imported.

    The accounts that were imported last need not be those that were logged last. Raises
    ApiError if the view stays behind.
    """

    def one(done: Imported) -> None:
        api.query("/totals", account=done.history.account, minVersion=done.version)

    with ThreadPoolExecutor(WORKERS) as threads:
        list(threads.map(one, imported))


def check(
    api: Api, imported: Sequence[Imported], read: Callable[[], None] = lambda: None
) -> list[Checked]:
    """Compares every account; calls *read* after each."""
    ranked = ranking(api, {done.history.currency for done in imported})

    def one(done: Imported) -> Checked:
        history = done.history
        key, fresh = history.account, {"minVersion": done.version}
        document = api.query(f"/accounts/{key}", **fresh)
        if document.ok and document.body["version"] > done.version:
            see_later(api, done)
        shown = _minor(document.body, history.currency) if document.ok else None
        if ranked.get(key) != done.expected:
            # Perhaps it only was not there yet when its page was read.
            found = api.query("/accounts", account=key, **fresh)
            for item in found.body["items"] if found.ok else ():
                ranked[key] = _minor(item, history.currency)
        read()
        return Checked(key, len(done.booked), done.expected, shown, ranked.get(key))

    with ThreadPoolExecutor(WORKERS) as threads:
        return list(threads.map(one, imported))


def wrong_statements(
    api: Api, imported: Sequence[Imported], read: Callable[[], None] = lambda: None
) -> list[str]:
    """The accounts whose statements differ from the bank's own balances.

    A statement's balances are compared with `balance_after` of the rows. Statements of the
    time before or after the file, which another one closed, are not compared. Calls *read* after
    each account.
    """

    def one(done: Imported) -> list[str]:
        account, currency = done.history.account, done.history.currency
        path = f"/accounts/{account}/statements"
        shown = list(_items(api, path, {"limit": PAGE, "minVersion": done.version}))
        shown_statements = [
            (
                item["through"],
                _money_of(item["openingBalance"], currency),
                _money_of(item["closingBalance"], currency),
                item["bookingCount"],
            )
            for item in reversed(shown)
            if done.closed
            and (done.closed[0].through or "") <= item["through"] <= (done.closed[-1].through or "")
        ]
        wanted = [(p.through, p.opening, p.closing, len(p.lines)) for p in done.closed]
        if done.earlier and shown_statements and wanted:
            # The first may have rows of the time before the file as well.
            (through, _, closing, _), (_, opening, _, count) = wanted[0], shown_statements[0]
            wanted[0] = (through, opening, closing, count)
        read()
        if shown_statements == wanted:
            return []
        return [
            f"account {account}: {len(shown_statements)} statements differ from {len(wanted)} of the file"
        ]

    with ThreadPoolExecutor(WORKERS) as threads:
        return [wrong for found in threads.map(one, imported) for wrong in found]


def wrong_histories(
    api: Api, imported: Sequence[Imported], read: Callable[[], None] = lambda: None
) -> list[str]:
    """The accounts whose events are not the rows that were booked, each once and in order.

    What the account had before the file's first row, or has after its last, is not compared.
    Calls *read* after each account.
    """
    directions = {"account-credited": "credit", "account-debited": "debit"}

    def one(done: Imported) -> list[str]:
        account, currency = done.history.account, done.history.currency
        shown = [
            (
                directions[event["name"]],
                _money_of(event["body"]["amount"], currency),
                event["body"]["valueDate"],
            )
            for event in _items(api, f"/accounts/{account}/events", {"limit": PAGE})
            if event["name"] in directions
        ]
        read()
        rows = [(line.direction, line.amount, line.day) for line in done.booked]
        of_file = shown[done.earlier : len(shown) - done.later]
        if of_file == rows:
            return []
        return [f"account {account}: its events are not the {len(done.booked)} rows of the file"]

    with ThreadPoolExecutor(WORKERS) as threads:
        return [wrong for found in threads.map(one, imported) for wrong in found]


def ranking(api: Api, currencies: set[str]) -> dict[str, int]:
    """The balance of every account in OpenSearch, page by page."""
    return {
        item["accountId"]: _minor(item, currency)
        for currency in currencies
        for item in _items(api, "/accounts", {"currency": currency, "limit": PAGE})
    }


def stated(imported: Sequence[Imported]) -> Totals:
    """The right totals if the bank has these accounts and no others."""
    histories = [done.history for done in imported]
    return Totals(
        len(histories),
        sum(len(history.lines) for history in histories),
        sum(history.stated for history in histories),
    )


def totals(api: Api, currency: str) -> Totals | None:
    """The row of a currency; None if there is none."""
    for item in _items(api, "/totals", {"currency": currency}):
        return Totals(item["accounts"], item["bookings"], _minor(item, currency))
    return None


def _items(api: Api, path: str, query: Mapping[str, Any]) -> Iterator[Any]:
    following: Mapping[str, Any] = {}
    while True:
        page = api.page(path, **query, **following)
        yield from page.body["items"] if page.ok else ()
        if not page.ok or page.body["next"] is None:
            return
        following = {"cursor": page.body["next"]}


def _minor(shown: Mapping[str, Any], currency: str) -> int:
    return _money_of(shown["balance"], currency)


def _money_of(shown: Mapping[str, str], currency: str) -> int:
    return Money.parse(shown["amount"], currency).minor

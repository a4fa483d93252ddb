"""Balances: by account and commodity, in minor units, debits above zero.

A balance of zero is left out, so equal balances are equal values.
"""

from collections.abc import Iterable

Balances = dict[str, dict[str, int]]
# One change of a balance: account, minor units, commodity.
Change = tuple[str, int, str]


def plus(balances: Balances, changes: Iterable[Change]) -> Balances:
    """*balances* after *changes*; the given value stays as it is."""
    after = dict(balances)
    copied: set[str] = set()
    for account, amount, currency in changes:
        if account not in copied:
            after[account] = dict(after.get(account, {}))
            copied.add(account)
        of_account = after[account]
        of_account[currency] = of_account.get(currency, 0) + amount
        if not of_account[currency]:
            del of_account[currency]
    for account in copied:
        if not after[account]:
            del after[account]
    return after


def changes_of(balances: Balances) -> Iterable[Change]:
    """The changes that lead from no balances to *balances*."""
    for account, of_account in balances.items():
        for currency, amount in of_account.items():
            yield account, amount, currency


def sums(changes: Iterable[Change]) -> dict[str, int]:
    """The sums of *changes* by commodity; empty if they balance."""
    total: dict[str, int] = {}
    for _, amount, currency in changes:
        total[currency] = total.get(currency, 0) + amount
    return {currency: amount for currency, amount in total.items() if amount}

"""Balances: by account and commodity, in minor units, debits above zero.

What is zero is left out, so equal balances are equal values.
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
        held = after[account]
        held[currency] = held.get(currency, 0) + amount
        if not held[currency]:
            del held[currency]
    for account in copied:
        if not after[account]:
            del after[account]
    return after


def changes_of(balances: Balances) -> Iterable[Change]:
    """What makes *balances* out of nothing."""
    for account, held in balances.items():
        for currency, amount in held.items():
            yield account, amount, currency


def sums(changes: Iterable[Change]) -> dict[str, int]:
    """What *changes* add up to by commodity; nothing at all where they balance."""
    total: dict[str, int] = {}
    for _, amount, currency in changes:
        total[currency] = total.get(currency, 0) + amount
    return {currency: amount for currency, amount in total.items() if amount}

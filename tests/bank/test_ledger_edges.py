"""Edges of a ledger's rules that a planted fault crossed without a failing test."""

from chalicelib.bank.ledger import domain
from chalicelib.bank.ledger.domain import (
    ChartExtended,
    JournalGathered,
    LedgerAccount,
    LedgerOpened,
    YearClosing,
    YearOpened,
)

cash = LedgerAccount("Assets:Cash", "asset", ("USD", "XYZ"), "Cash")
pay = LedgerAccount("Income:Pay", "income", ("USD",))
history = (
    LedgerOpened("Ada", 2020, "Equity:R", 2),
    ChartExtended((cash, pay), {"XYZ": 3}),
    YearClosing(2020, 2),
    YearOpened(2021),
    JournalGathered(2020, 0, {"Assets:Cash": {"USD": 70}, "Income:Pay": {"USD": -70}}),
    JournalGathered(2020, 1, {}),
)


def test_closing_a_year_changes_nothing_but_years_and_balances() -> None:
    """The events before are archived: what is not carried forward would be lost with them."""
    before = domain.decider.fold(history)
    after = domain.decider.fold(domain.closed(before), before)
    assert after == domain.Ledger(
        status=before.status,
        name=before.name,
        first_year=before.first_year,
        retained_earnings=before.retained_earnings,
        journals=before.journals,
        accounts=before.accounts,
        commodities=before.commodities,
        open_years=(2021,),
        opening={"Assets:Cash": {"USD": 70}, "Equity:R": {"USD": -70}},
    )
    assert after.status == "open"

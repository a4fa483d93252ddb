"""The tables that the bank's imports show."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from chalicelib.bank.money import Money
from tools.bank.bank_file import Rejected
from tools.bank.book import amount_text
from tools.bank.checking import Checked
from tools.texts import counted

if TYPE_CHECKING:
    from tools.bank.book_import import Difference, ImportedYear

# Accounts shown at each end of a long table, and rejected lines shown at all.
SHOWN_AT_ENDS = 6
REJECTED_SHOWN = 50
DIFFERENCES_SHOWN = 50


def accounts_table(checked: Sequence[Checked], currency: str) -> Table:
    """Leftfold's balances beside the bank's: the first and last, and all that differ."""
    table = Table(box=SIMPLE_HEAD)
    table.add_column("account", overflow="fold")
    for name in ("rows", "the bank's", "document", "search"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    shown = [
        (index, account)
        for index, account in enumerate(checked)
        if index < SHOWN_AT_ENDS or index >= len(checked) - SHOWN_AT_ENDS or not account.agrees
    ]
    before = -1
    for index, account in shown:
        if index != before + 1:
            table.add_row(f"… {index - before - 1} more", *[""] * 4, "[green]OK[/]")
        before = index
        verdict = "[green]OK[/]" if account.agrees else "[bold red]differs[/]"
        table.add_row(
            account.account,
            f"{account.rows:,}",
            *(
                amount(minor, currency)
                for minor in (account.bank, account.document, account.search)
            ),
            verdict,
        )
    table.add_section()
    table.add_row(
        counted(len(checked), "account"),
        f"{sum(account.rows for account in checked):,}",
        amount(sum(account.bank for account in checked), currency),
        amount(sum(account.document or 0 for account in checked), currency),
        amount(sum(account.search or 0 for account in checked), currency),
    )
    return table


def years_table(years: Sequence["ImportedYear"]) -> Table:
    """The years of a book: what was posted, and how many balances agree."""
    table = Table(box=SIMPLE_HEAD)
    table.add_column("year", no_wrap=True)
    for name in ("entries", "balances compared", "differ"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for done in years:
        agrees = not done.differences and not done.rejected
        table.add_row(
            f"{done.year} {'closed' if done.closed else 'open'}",
            f"{done.entries:,}",
            f"{done.balances:,}",
            f"{len(done.differences):,}",
            "[green]OK[/]" if agrees else "[bold red]differs[/]",
        )
    return table


def differences_table(differences: Sequence["Difference"]) -> Table:
    """Balances that are not what the book's own tool says."""
    table = Table(box=SIMPLE_HEAD)
    for name in ("year", "report", "account"):
        table.add_column(name, overflow="fold")
    for name in ("book", "ledger", "commodity"):
        table.add_column(name, justify="right", no_wrap=True)
    for found in differences[:DIFFERENCES_SHOWN]:
        table.add_row(
            str(found.year),
            found.report,
            found.account,
            amount_text(found.book, found.currency),
            amount_text(found.ledger, found.currency),
            found.currency,
        )
    if len(differences) > DIFFERENCES_SHOWN:
        table.add_row("…", f"{len(differences) - DIFFERENCES_SHOWN:,} more")
    return table


def rejected_table(rejected: Sequence[Rejected]) -> Table:
    """Lines that were not booked, with reasons."""
    table = Table(box=SIMPLE_HEAD)
    table.add_column("line", justify="right")
    table.add_column("reason", overflow="fold")
    for line in sorted(rejected, key=lambda line: line.number)[:REJECTED_SHOWN]:
        table.add_row(str(line.number), Text(line.reason))
    if len(rejected) > REJECTED_SHOWN:
        table.add_row("…", f"{len(rejected) - REJECTED_SHOWN:,} more")
    return table


def amount(minor: int | None, currency: str) -> str:
    """An amount with thousands set apart; a dash for none."""
    if minor is None:
        return "—"
    whole, point, part = str(Money(minor, currency)).partition(".")
    return f"{int(whole):,}{point}{part}" if whole != "-0" else f"{whole}{point}{part}"

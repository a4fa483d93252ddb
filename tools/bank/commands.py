"""The commands of the bank: import its transactions and books, and run it on this machine."""

import sys
from pathlib import Path

import click

from tools.bank.bench import bench_command
from tools.bank.book import is_book
from tools.bank.book_import import Choices, import_book
from tools.bank.costs import cost_command
from tools.bank.import_file import Selection, import_file
from tools.bank.run import BANK_FILE, CURRENCY, WHOLE_STATEMENTS, Work, run
from tools.console import INTERRUPTED, errors
from tools.last_deployment import recall

currency_option = click.option(
    "--currency", default=CURRENCY, help="Currency of the file, an ISO 4217 code."
)


@click.command("run")
@click.option("--once", is_flag=True, help="Stop after the comparison; exit 0 if all agrees.")
@click.option("--traces", is_flag=True, help="Collect spans of OpenTelemetry, and show them.")
@click.option("--port", default=4566, help="Port of MiniStack, where the API answers.")
@click.option("--search-port", default=9201, help="Port of OpenSearch, 9201 to 9299.")
@click.option(
    "--accounts", type=click.IntRange(1), default=200, help="Import only the first N accounts."
)
@click.option(
    "--statements",
    type=click.IntRange(0),
    default=20,
    help="Close a statement at each month's end for the first N accounts.",
)
@click.option(
    "--all",
    "whole",
    is_flag=True,
    help="Import all accounts, with statements for 100 of them, and archive what is closed.",
)
@click.option(
    "--file",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    default=BANK_FILE,
    show_default="examples/bank-transactions.csv.gz",
    help="Bank file to import.",
)
def run_command(  # noqa: PLR0913 - one for each option
    *,
    once: bool,
    traces: bool,
    port: int,
    search_port: int,
    accounts: int,
    statements: int,
    whole: bool,
    file: Path,
) -> None:
    """Run Leftfold on this machine.

    Starts MiniStack and OpenSearch, deploys, imports a part of a bank file over HTTP, compares
    every balance and the totals with the bank's, and serves until Ctrl-C, which stops
    everything. --all takes the whole file, and some minutes.
    """
    work = Work(None, WHOLE_STATEMENTS, archives=True) if whole else Work(accounts, statements)
    if not run(file, work, port, search_port, once=once, traces=traces):
        sys.exit(1)


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--url", help="URL of the API; default: the newest deployment from this machine.")
@click.option("--accounts", type=click.IntRange(1), help="Import only the first N accounts.")
@click.option(
    "--statements",
    type=click.IntRange(0),
    default=0,
    help="Close a statement at each month's end for the first N accounts.",
)
@click.option(
    "--opening-balance",
    is_flag=True,
    help="Book the balance before an account's first row, if the account has nothing yet.",
)
@click.option(
    "--credit-limit",
    metavar="AMOUNT",
    default="0",
    help="Least credit limit of an account that is opened; it gets more if its rows need more.",
)
@currency_option
@click.option(
    "--ledger", metavar="ID", help="Id of the ledger that a book makes; required for a book."
)
@click.option(
    "--journals",
    type=click.IntRange(1, 64),
    default=16,
    help="Number of journals of the ledger that a book makes.",
)
@click.option(
    "--close-all", is_flag=True, help="Close the last year of a book, too, if it is over."
)
@click.option(
    "--reverse-missing",
    is_flag=True,
    help="Reverse the entries of the ledger that the book no longer has.",
)
def import_command(  # noqa: PLR0913 - one for each option
    *,
    file: Path,
    url: str | None,
    accounts: int | None,
    statements: int,
    opening_balance: bool,
    credit_limit: str,
    currency: str,
    ledger: str | None,
    journals: int,
    close_all: bool,
    reverse_missing: bool,
) -> None:
    """Import a bank's CSV file, or a Beancount book, over HTTP and compare the balances.

    FILE is .csv with the columns of examples/README.md: its accounts are opened and booked.
    Or it is .beancount: its entries are posted to a ledger, and each year but the last is
    compared with Beancount's report, and closed if it is over and all of it agrees. Both may be
    gzipped. Rejected lines are listed, the rest is imported. The import may be stopped and run
    again with the same options: nothing is booked twice. An entry that was edited in a book, or left
    it, stops the import before anything is posted, unless --reverse-missing is given.
    Exits with 1 if anything was rejected or a balance differs.

    Nothing of a bank account is sent while one of its lines is rejected, and no statement of
    it is closed. The mended file, one that has grown, or the next month's file goes on after
    the rows that the account has already.
    """
    try:
        where = url or recall().url
        if not is_book(file):
            selection = Selection(currency, accounts, statements, opening_balance, credit_limit)
            agrees = import_file(where, file, selection)
        elif ledger is None:
            raise click.UsageError("a book needs --ledger, the id of the ledger to make")
        else:
            choices = Choices(journals, close_all, reverse_missing)
            agrees = import_book(where, file, ledger, choices)
        if not agrees:
            sys.exit(1)
    except KeyboardInterrupt:
        errors.print("stopped; run it again to go on: nothing is booked twice")
        sys.exit(INTERRUPTED)


COMMANDS: tuple[click.Command, ...] = (run_command, import_command, bench_command, cost_command)

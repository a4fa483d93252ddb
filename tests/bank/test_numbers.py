"""Numbers of the bank that its documents or another service set: whoever changes one means it."""

from chalicelib.bank.account.http import accounts
from chalicelib.bank.ledger import domain as ledger
from chalicelib.bank.ledger import journal
from chalicelib.bank.ledger import service as ledgers
from chalicelib.bank.ledger.http import account_sheet, chart, entries
from chalicelib.bank.transfer import domain as transfer
from chalicelib.bank.transfer import views as transfers
from chalicelib.bank.transfer.http import trace


def test_a_step_of_a_transfer_is_late_after_five_minutes() -> None:
    assert transfers.STEP_MAY_TAKE.total_seconds() == 5 * 60
    assert transfer.UNTIL_DEBITED.total_seconds() == 5 * 60


def test_what_people_may_enter_ends_where_the_documents_say() -> None:
    assert accounts.MOST_BOOKINGS == entries.MOST_POSTINGS == chart.MOST_ACCOUNTS == 500
    assert chart.MOST_COMMODITIES == 200
    # API Gateway and Lambda take 6 MB for an answer; a posting has about 250 bytes.
    assert entries.POSTINGS_SHOWN == 5_000
    assert (ledger.MOST_BALANCES, ledger.LARGEST_CHART, ledger.MOST_OPEN_YEARS) == (
        1_000,
        60_000,
        2,
    )
    assert (ledger.MOST_JOURNALS, ledger.USUAL_JOURNALS) == (64, 16)
    assert (ledger.COMMODITY_DIGITS, ledger.LARGEST_OF_COMMODITY) == (8, 10**18)
    # The key of a journal is that of its ledger, a hyphen and a number of two digits.
    assert journal.LONGEST_LEDGER_KEY + len("-63") == 64
    assert journal.MOST_REVERSED == 10_000
    assert (account_sheet.MOST_CARRIED, ledgers.READ_AT_ONCE) == (1_000, 500)
    assert trace.LONGEST_TRACE == 100

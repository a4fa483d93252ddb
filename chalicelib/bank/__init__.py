"""The bank: accounts, transfers between them, a general ledger, and notices to customers."""

from chalicelib.bank.account import ACCOUNT
from chalicelib.bank.ledger import LEDGER
from chalicelib.bank.notices import NOTICES
from chalicelib.bank.transfer import TRANSFER

CONTEXTS = (ACCOUNT, TRANSFER, LEDGER, NOTICES)

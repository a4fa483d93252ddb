"""The contexts of the bank. They are listed here, and not in the package's `__init__`, so that
a function imports the one context that it needs.
"""

from chalicelib.bank.account import ACCOUNT
from chalicelib.bank.ledger import LEDGER
from chalicelib.bank.notices import NOTICES
from chalicelib.bank.transfer import TRANSFER

CONTEXTS = (ACCOUNT, TRANSFER, LEDGER, NOTICES)

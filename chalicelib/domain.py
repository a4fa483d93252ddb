"""The domain that this application runs. Whoever replaces the bank changes one line here."""

from chalicelib.bank.contexts import CONTEXTS
from chalicelib.leftfold.kernel import Domain

DOMAIN = Domain(CONTEXTS)

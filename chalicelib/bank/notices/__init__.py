"""Notices: e-mails to customers about completed transfers and closed statements."""

from chalicelib.bank.notices import policies
from chalicelib.leftfold.kernel import Context

NOTICES = Context(policies=(policies.notify,))

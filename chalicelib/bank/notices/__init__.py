"""Notices: e-mails that tell customers what has happened."""

from chalicelib.bank.notices import policies
from chalicelib.leftfold.kernel import Context

NOTICES = Context(policies=(policies.notify,))

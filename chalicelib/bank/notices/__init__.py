"""Notices: e-mails to customers about completed transfers and closed statements, and
announcements to other systems.
"""

from chalicelib.bank.notices import announcements, policies
from chalicelib.leftfold.kernel import Context

NOTICES = Context(policies=(policies.notify, announcements.announce))

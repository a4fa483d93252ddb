"""Reports wait until the views that they are made of show what the client names."""

from chalicelib.bank.ledger.domain import Ledger, ledger
from chalicelib.bank.ledger.http.fields import entry_field
from chalicelib.bank.ledger.journal import EntryId
from chalicelib.bank.ledger.service import journal_of, ledgers_of
from chalicelib.leftfold.http.fields import Strict, min_version
from chalicelib.leftfold.http.problems import Problem
from chalicelib.leftfold.http.queries import wait_until_fresh
from chalicelib.leftfold.http.routes import Call


class Fresh(Strict):
    """The version of the ledger, and the entry, that a report must include."""

    min_version = min_version()
    min_entry = entry_field()


def reported(call: Call, *views: str) -> Ledger:
    """The ledger itself, once *views* show what the query asks for.

    The ledger is read after the views and from its stream, so that it has each account of
    their rows.
    """
    stream = call.stream(ledger)
    wanted = call.query.get("min_entry")
    for view in views:
        wait_until_fresh(call, view, ledger, call.key)
        if wanted is not None:
            number, version = EntryId.parse(wanted)
            journal = journal_of(stream, number)
            if not call.services.events.range(journal, version, version):
                raise Problem("entry-missing")
            call.services.wait(view, journal, version)
    return ledgers_of(call.services).newest(stream)

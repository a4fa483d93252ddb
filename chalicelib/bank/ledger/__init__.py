"""General ledgers: double entry, sharded into journals; years that are opened and closed."""

from chalicelib.bank.ledger import domain, journal, policies, views
from chalicelib.leftfold.kernel import Context

LEDGER = Context(
    aggregates=(domain.ledger, journal.journal),
    views=(views.ledgers, views.trial_balance, views.postings),
    policies=(policies.close_journals, policies.gather_year),
    http="chalicelib.bank.ledger.http",
)

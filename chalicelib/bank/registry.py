"""Every aggregate, view, policy and deadline of the application, by name."""

from chalicelib.bank.account import domain as account_domain
from chalicelib.bank.account import views as account_views
from chalicelib.bank.ledger import domain as ledger_domain
from chalicelib.bank.ledger import journal as ledger_journal
from chalicelib.bank.ledger import policies as ledger_policies
from chalicelib.bank.ledger import views as ledger_views
from chalicelib.bank.notices import policies as notices_policies
from chalicelib.bank.transfer import deadlines as transfer_deadlines
from chalicelib.bank.transfer import domain as transfer_domain
from chalicelib.bank.transfer import policies as transfer_policies
from chalicelib.bank.transfer import views as transfer_views
from chalicelib.leftfold.kernel import Aggregate, Deadline, Policy, View

AGGREGATES: dict[str, Aggregate] = {
    aggregate.category: aggregate
    for aggregate in (
        account_domain.account,
        transfer_domain.transfer,
        ledger_domain.ledger,
        ledger_journal.journal,
    )
}

VIEWS: dict[str, View] = {
    view.name: view
    for view in (
        account_views.balances,
        account_views.ranking,
        account_views.bookings,
        account_views.statements,
        account_views.totals,
        transfer_views.transfers,
        transfer_views.traces,
        ledger_views.ledgers,
        ledger_views.trial_balance,
        ledger_views.postings,
    )
}

POLICIES: dict[str, Policy] = {
    policy.name: policy
    for policy in (
        transfer_policies.debit_source,
        transfer_policies.credit_target,
        transfer_policies.refund_source,
        ledger_policies.close_journals,
        ledger_policies.gather_year,
        notices_policies.notify,
    )
}

DEADLINES: dict[str, Deadline] = {
    deadline.name: deadline for deadline in (transfer_deadlines.next_step,)
}

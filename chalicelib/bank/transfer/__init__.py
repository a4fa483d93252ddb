"""Transfers: money that moves from one account to another, step by step."""

from chalicelib.bank.transfer import deadlines, domain, policies, views
from chalicelib.leftfold.kernel import Context

TRANSFER = Context(
    aggregates=(domain.transfer,),
    views=(views.transfers, views.traces),
    policies=(policies.debit_source, policies.credit_target, policies.refund_source),
    deadlines=(deadlines.next_step,),
    http="chalicelib.bank.transfer.http",
)

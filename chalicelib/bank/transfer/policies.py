"""The steps of a transfer: debit the source, credit the target, refund the source."""

from collections.abc import Iterable

from chalicelib.bank.account.domain import TransferBack, TransferIn, TransferOut, account
from chalicelib.bank.transfer.domain import (
    CreditRefused,
    Event,
    Order,
    RecordCredited,
    RecordDebited,
    RecordRefunded,
    RefuseCredit,
    RefuseDebit,
    Requested,
    SourceDebited,
    SourceDebitedLate,
    Transfer,
    transfer,
)
from chalicelib.leftfold.kernel import Policy, Reaction, Recorded


def debit(recorded: Recorded) -> Iterable[Reaction]:
    """Takes the money from the source of a requested transfer."""
    if isinstance(recorded.event, Requested):
        order = recorded.event.order
        yield Reaction(
            "debit",
            account,
            order.source,
            TransferOut(*side(recorded.key, order, order.target)),
            accepted=RecordDebited,
            refused=lambda code, _facts: RefuseDebit(code),
        )


def credit(recorded: Recorded) -> Iterable[Reaction]:
    """Brings the money to the target, once it has left the source in time."""
    if isinstance(recorded.event, SourceDebited):
        order = recorded.event.order
        yield Reaction(
            "credit",
            account,
            order.target,
            TransferIn(*side(recorded.key, order, order.source)),
            accepted=RecordCredited,
            refused=lambda code, _facts: RefuseCredit(code),
        )


def refund(recorded: Recorded) -> Iterable[Reaction]:
    """Brings the money back to the source; no account refuses that."""
    if isinstance(recorded.event, CreditRefused | SourceDebitedLate):
        order = recorded.event.order
        yield Reaction(
            "refund",
            account,
            order.source,
            TransferBack(*side(recorded.key, order, order.target)),
            accepted=RecordRefunded,
        )


def side(key: str, order: Order, counterparty: str) -> tuple[str, int, str, str, str, str | None]:
    """The fields of a `TransferSide` on behalf of the transfer *key*."""
    return key, order.amount, order.currency, order.value_date, counterparty, order.purpose


def awaits_debit(state: Transfer, _event: Event) -> bool:
    return state.stage == "requested"


def awaits_credit(state: Transfer, _event: Event) -> bool:
    return state.stage == "debited"


def awaits_refund(state: Transfer, _event: Event) -> bool:
    return state.stage == "refunding"


debit_source = Policy("debit_source", (transfer,), debit, awaits_debit, personal=True)

credit_target = Policy("credit_target", (transfer,), credit, awaits_credit, personal=True)

refund_source = Policy("refund_source", (transfer,), refund, awaits_refund, personal=True)

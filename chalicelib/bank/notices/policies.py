"""E-mails about a completed transfer and a closed statement, where an address was given."""

from collections.abc import Iterable

from chalicelib.bank.account.domain import StatementClosed, account, period
from chalicelib.bank.money import Money
from chalicelib.bank.transfer.domain import Completed, transfer
from chalicelib.leftfold.kernel import Email, Policy, Recorded


def notices(recorded: Recorded) -> Iterable[Email]:
    """One e-mail at most, in plain text."""
    match recorded.event:
        case Completed(order) if order.notify:
            amount = shown(order.amount, order.currency)
            yield Email(
                "completed",
                order.notify,
                f"Transfer of {amount} completed",
                f"{amount} went from account {order.source} to account {order.target}.\n"
                f"Value date: {order.value_date}\n"
                f"Purpose: {order.purpose or '-'}\n"
                f"Transfer: {recorded.key}\n",
            )
        case StatementClosed(email=str(address)) as statement:
            currency = statement.currency
            _, through = period(statement, recorded.at[:10])
            owed = shown(statement.minimum_payment, currency)
            yield Email(
                "statement",
                address,
                f"Statement {statement.number} of account {recorded.key}",
                f"Through: {through}\n"
                f"Opening balance: {shown(statement.opening_balance, currency)}\n"
                f"Credits: {shown(statement.credits, currency)}\n"
                f"Debits: {shown(statement.debits, currency)}\n"
                f"Closing balance: {shown(statement.closing_balance, currency)}\n"
                + (f"Minimum payment: {owed}\n" if statement.kind == "credit-card" else ""),
            )


def shown(amount: int, currency: str) -> str:
    """An amount of minor units as people read it."""
    return f"{Money(amount, currency)} {currency}"


notify = Policy("notify", (transfer, account), notices, personal=True)

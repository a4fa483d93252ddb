"""The bodies of the bank's events as clients see them: amounts as MONEY, names in camel case."""

from typing import Any

from chalicelib.bank.money import Money
from chalicelib.leftfold.http.fields import camel

# The members of events that are amounts, in the currency of the same object.
MONEY = frozenset(
    {
        "amount",
        "credit_limit",
        "balance",
        "opening_balance",
        "closing_balance",
        "credits",
        "debits",
        "minimum_payment",
    }
)


def body_json(body: dict[str, Any]) -> dict[str, Any]:
    """An event's body with amounts as MONEY and names in camel case."""
    currency = body.get("currency", "")
    return {
        camel(name): Money(value, currency).to_fact() if name in MONEY else member_json(value)
        for name, value in body.items()
    }


def member_json(value: Any) -> Any:
    """A member that is no amount; an object in it may have amounts."""
    if isinstance(value, list):
        return [member_json(item) for item in value]
    return body_json(value) if isinstance(value, dict) else value

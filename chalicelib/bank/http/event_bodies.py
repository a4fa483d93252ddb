"""The bodies of the bank's events as clients see them: amounts as MONEY, names in camel case."""

from typing import Any

from chalicelib.bank.money import Money
from chalicelib.leftfold.http.fields import camel

# Which members of events are amounts, in the currency that stands beside them.
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
        camel(name): Money(held, currency).to_fact() if name in MONEY else member_json(held)
        for name, held in body.items()
    }


def member_json(held: Any) -> Any:
    """A member that is no amount; objects have amounts of their own."""
    if isinstance(held, list):
        return [member_json(item) for item in held]
    return body_json(held) if isinstance(held, dict) else held

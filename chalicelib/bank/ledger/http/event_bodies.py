"""The bodies of a ledger's events as clients see them: amounts as text, names in camel case."""

from typing import Any

from chalicelib.bank.ledger.amounts import amount, amounts
from chalicelib.leftfold.http.fields import camel


def body_json(body: dict[str, Any]) -> dict[str, Any]:
    """An event's body. The names of accounts and of commodities stay as they are."""
    return {camel(name): member_json(name, value) for name, value in body.items()}


def member_json(name: str, value: Any) -> Any:
    """One member of a body.

    An amount has the decimals that it is kept with, less the zeros at the end if its currency is
    not one of ISO 4217: the event does not say how many the ledger had declared by then.
    """
    match name, value:
        case "profit", dict():
            return amounts(value, {})
        case "postings" | "accounts", list():
            return [posting_json(one) for one in value]
        case "totals" | "closed" | "opening", dict():
            return balances_json(value)
    return value


def balances_json(balances: dict[str, Any]) -> dict[str, Any]:
    """Balances by account, or by year and account, with amounts as text."""
    return {
        name: amounts(inner, {})
        if all(isinstance(minor, int) for minor in inner.values())
        else balances_json(inner)
        for name, inner in balances.items()
    }


def posting_json(posting: dict[str, Any]) -> dict[str, Any]:
    """A posting with its amount as text; an account of the chart as it is."""
    if "amount" not in posting:
        return posting
    shown = amount(posting["amount"], posting["currency"], {})
    return {"account": posting["account"], "amount": shown}

"""Bodies that are taken as they are."""

from typing import Any


def czk(amount: str) -> dict[str, str]:
    return {"amount": amount, "currency": "CZK"}


def opening(**changes: Any) -> dict[str, Any]:
    return {"owner": "Ada", "currency": "CZK", "kind": "current", **changes}


def booking(amount: str = "700.00", **changes: Any) -> dict[str, Any]:
    return {"amount": czk(amount), "valueDate": "1993-01-03", **changes}


def directed(direction: str, amount: str, **changes: Any) -> dict[str, Any]:
    return {"direction": direction, **booking(amount, **changes)}

"""What no change of events or streams may change (`leftfold generation verify`)."""

from chalicelib.leftfold.kernel import StoredEvent


def money(event: StoredEvent) -> int:
    """What an event adds to the sum of all balances, in minor units of whatever currency."""
    amount: int = event.body.get("amount", 0)
    return {"account-credited": amount, "account-debited": -amount}.get(event.name, 0)

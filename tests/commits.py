"""Commits for tests that do not care what is in them."""

from typing import Any

from chalicelib.leftfold.kernel import Codec, Commit, StoredEvent

# The example of W3C Trace Context.
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def commit(
    aggregate_id: str = "main/account-a",
    version: int = 1,
    *,
    command_id: str = "",
    at: str = "2026-01-01T00:00:00.000Z",
    amount: int = 1,
    **facts: object,
) -> Commit:
    """The commit of a credit to an account; an opening if it is the first."""
    opening = StoredEvent(
        "account-opened",
        1,
        {"owner": "Ada", "currency": "CZK", "kind": "current", "credit_limit": 0},
    )
    credit = StoredEvent(
        "account-credited",
        1,
        {"amount": amount, "currency": "CZK", "value_date": "2026-01-01"},
    )
    return Commit(
        aggregate_id=aggregate_id,
        version=version,
        events=(opening,) if version == 1 else (credit,),
        command_id=command_id or f"{aggregate_id}@{version}",
        body_hash="00" * 8,
        at=at,
        actor="test",
        authority="test",
        correlation_id="test",
        **{"traceparent": TRACEPARENT, **facts},  # type: ignore[arg-type]
    )


def events_in(made: Commit, codec: Codec[Any]) -> list[Any]:
    """The events of a commit, as they are read today by who opens no personal data."""
    return [event for stored in made.blind().events for event in codec.decode(stored)]

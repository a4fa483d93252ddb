"""Transforms of the bank, as examples: docs/generations.md explains each of them.

A team writes such a transform into the context that it changes (`Context.transforms`), with the new rules and
events, and drops it again once the earlier generation is gone.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from chalicelib.bank.account.domain import account
from chalicelib.leftfold.kernel import Aggregate, AggregateId, Codec, Moving, StoredEvent, Transform

Placed = tuple[AggregateId, StoredEvent]
OPENS = "account-opened"
BOOKINGS = ("account-credited", "account-debited")


def renamed(event: StoredEvent, name: str) -> StoredEvent:
    """The event under another stored name."""
    return event._replace(name=name)


# --- a split: credit-card accounts leave `account` for a context of their own

CARD_EVENTS = {name.replace("account", "card"): kind for name, kind in account.codec.events.items()}
card = Aggregate("card", account.decider, Codec(CARD_EVENTS), account.carries)


def cards_apart() -> Transform:
    """The events of credit-card accounts go to `card-K`. Its opening says what an account is, and so does
    every balance brought forward; the transform's state remembers it for the events in between.
    """

    def feeds(stream: AggregateId) -> tuple[AggregateId, ...]:
        return stream, stream._replace(category="card")

    def sources(stream: AggregateId) -> tuple[AggregateId, ...]:
        return (stream._replace(category="account"),)

    def kind(moving: Moving) -> Any:
        return moving.event.body.get("kind") or moving.state

    def events(moving: Moving) -> Iterable[Placed]:
        if kind(moving) == "credit-card":
            name = moving.event.name.replace("account", "card")
            yield moving.stream._replace(category="card"), renamed(moving.event, name)
        else:
            yield moving.stream, moving.event

    return Transform(
        "account",
        ("account", "card"),
        feeds,
        sources,
        events,
        evolve=lambda _state, moving: kind(moving),
    )


# --- a merge: two accounts of one owner become one


def accounts_merged(into: Mapping[str, str]) -> Transform:
    """Account K goes into account ``into[K]``, which is the older one. Of the younger one only the bookings
    are left, and of both the statements end: they would bring one half of the balance forward.
    """

    def feeds(stream: AggregateId) -> tuple[AggregateId, ...]:
        return (stream._replace(key=into.get(stream.key, stream.key)),)

    def sources(stream: AggregateId) -> tuple[AggregateId, ...]:
        if stream.key in into:
            return ()
        younger = sorted(key for key, older in into.items() if older == stream.key)
        return (stream, *(stream._replace(key=key) for key in younger))

    def events(moving: Moving) -> Iterable[Placed]:
        (target,) = feeds(moving.stream)
        name = moving.event.name
        is_alone = len(sources(target)) == 1
        opens = name == OPENS and target == moving.stream
        if is_alone or opens or name in BOOKINGS:
            yield target, moving.event

    return Transform("account", ("account",), feeds, sources, events)


# --- other keys: a tenant moves


def tenant_moved(category: str, old: str, new: str) -> Transform:
    """The streams of one category that tenant *old* has become those of tenant *new*, and can go back. Tenant
    *new* has none yet, and all other tenants keep theirs.
    """

    def there(old: str, new: str, inverse: Transform | None) -> Transform:
        def feeds(stream: AggregateId) -> tuple[AggregateId, ...]:
            return (stream._replace(tenant=new) if stream.tenant == old else stream,)

        def sources(stream: AggregateId) -> tuple[AggregateId, ...]:
            if stream.tenant == old:
                return ()
            return (stream._replace(tenant=old) if stream.tenant == new else stream,)

        def events(moving: Moving) -> Iterable[Placed]:
            (target,) = feeds(moving.stream)
            yield target, moving.event

        return Transform(category, (category,), feeds, sources, events, inverse=inverse)

    return there(old, new, there(new, old, None))


# --- other events: interest gets a name of its own, and a field is dropped


def interest_named() -> Transform:
    """`account-credited` with the operation `interest` becomes `interest-credited`, without an operation."""

    def apart(event: StoredEvent) -> StoredEvent:
        body = event.body
        if event.name != "account-credited" or body.get("operation") != "interest":
            return event
        return StoredEvent(
            "interest-credited", 1, {name: body[name] for name in body if name != "operation"}
        )

    def together(event: StoredEvent) -> StoredEvent:
        if event.name != "interest-credited":
            return event
        return StoredEvent("account-credited", 1, {**event.body, "operation": "interest"})

    return in_place("account", apart, in_place("account", together))


def in_place(
    category: str,
    change: Callable[[StoredEvent], StoredEvent],
    inverse: Transform | None = None,
) -> Transform:
    """Streams stay as they are, and each event becomes one other."""

    def same(stream: AggregateId) -> tuple[AggregateId, ...]:
        return (stream,)

    def events(moving: Moving) -> Iterable[Placed]:
        yield moving.stream, change(moving.event)

    return Transform(category, (category,), same, same, events, inverse=inverse)

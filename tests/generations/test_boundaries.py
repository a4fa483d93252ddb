"""Splits, merges, other keys and other events: what becomes of streams, commands and ids."""

from dataclasses import replace
from typing import Any

import pytest

from chalicelib.bank.account.domain import CloseStatement, Credited, Open, account
from chalicelib.leftfold.commands.handler import KeyReusedError
from chalicelib.leftfold.commands.owning import IdMovedError
from chalicelib.leftfold.generations.copier import READER
from chalicelib.leftfold.kernel import (
    Aggregate,
    AggregateId,
    Boundaries,
    Codec,
    Refused,
    StoredEvent,
    Transform,
    TransformError,
)
from chalicelib.leftfold.kernel.transform import PIECES
from tests.becoming import given
from tests.commits import commit
from tests.generations.site import AGGREGATES, Site
from tests.teller import OPENING, credit, debit
from tools.bank.transforms import (
    accounts_merged,
    card,
    cards_apart,
    in_place,
    interest_named,
    tenant_moved,
)

A, B, CARD = "main/account-a", "main/account-b", "main/card-a"
ON_CARD = Open("Ada", "CZK", "credit-card", 500)


def event(name: str, **body: Any) -> StoredEvent:
    return StoredEvent(name, 1, body)


def booked(name: str, **body: Any) -> StoredEvent:
    return event(name, amount=1, currency="CZK", value_date="2026-01-01", **body)


# --- split


def test_events_of_cards_go_to_the_card_and_every_commit_to_both() -> None:
    opens = event("account-opened", owner="Ada", currency="CZK", kind="credit-card", credit_limit=1)
    given(A, [opens], [booked("account-debited")], by=[cards_apart()]).becomes(
        {
            A: [(), ()],
            CARD: [
                [opens._replace(name="card-opened")],
                [booked("card-debited")],
            ],
        }
    )


def test_events_of_other_accounts_stay() -> None:
    opens = event("account-opened", owner="Ada", currency="CZK", kind="current", credit_limit=1)
    given(A, [opens], [booked("account-debited")], by=[cards_apart()]).becomes(
        {A: [[opens], [booked("account-debited")]], CARD: [(), ()]}
    )


def split() -> Site:
    return Site(Boundaries([cards_apart()]), {**AGGREGATES, "card": card})


def test_a_card_goes_on_in_its_own_stream_and_its_account_is_missing() -> None:
    site = split()
    blue, green = site.teller("blue"), site.teller("green")
    blue.do(ON_CARD)
    blue.do(debit(200), command_id="k")
    blue.do(CloseStatement("2026-01-31"))
    site.copy()
    blue.do(debit(100))
    site.switch()
    assert green.do(debit(200), command_id="k", aggregate=card) == 2
    with pytest.raises(Refused, match="insufficient-funds"):
        green.do(debit(201), aggregate=card)
    assert green.do(debit(200), aggregate=card) == 5
    with pytest.raises(Refused, match="account-missing"):
        green.do(credit(1))
    assert green.do(debit(200), command_id="k") == 2
    copies = site.stream(site.green, CARD)
    assert [c.epoch for c in copies] == [1, 1, 2, 2, 2]
    assert all(c.epoch == 1 for c in site.stream(site.green, A))


def test_an_account_goes_on_and_its_card_is_missing_and_can_be_opened() -> None:
    site = split()
    blue, green = site.teller("blue"), site.teller("green")
    blue.do(OPENING)
    blue.do(credit(10))
    site.switch()
    assert green.do(debit(10)) == 3
    with pytest.raises(Refused, match="account-missing"):
        green.do(credit(1), aggregate=card)
    assert green.do(ON_CARD, aggregate=card, expected={0}) == 3


def test_both_halves_stand_behind_one_bar() -> None:
    site = split()
    site.teller("blue").do(ON_CARD)
    site.switch()
    site.take_all()
    site.take_all()
    assert [s for s, _ in site.blue.table.scan(0, 1, None, 99)[0]] == [A]
    for stream in (A, CARD):
        assert [c.mark for c in site.stream(site.green, stream)] == [1]


def test_a_commit_that_is_copied_as_it_is_has_its_events_in_one_half_alone() -> None:
    apart = cards_apart()

    def fails(moving: Any) -> Any:
        if moving.event.body.get("amount") == 13:
            raise ValueError("unlucky")
        return apart.events(moving)

    site = Site(Boundaries([replace(apart, events=fails)]), {**AGGREGATES, "card": card})
    blue = site.teller("blue")
    blue.do(OPENING)
    blue.do(credit(13))
    site.switch()
    site.take_all()
    names = {
        stream: [[event.name for event in copy.events] for copy in site.stream(site.green, stream)]
        for stream in (A, CARD)
    }
    assert names == {A: [["account-opened"], ["account-credited"]], CARD: [[], []]}


# --- merge


def merged() -> Site:
    """B goes into A; both have taken bookings, one upon the other."""
    site = Site(Boundaries([accounts_merged({"b": "a"})]))
    blue = site.teller("blue")
    blue.do(OPENING, "a")
    blue.do(OPENING, "b")
    blue.do(credit(100), "b", command_id="k")
    blue.do(credit(10), "a", command_id="only-a")
    return site


def test_two_accounts_become_one_in_the_order_of_the_log() -> None:
    site = merged()
    site.blue.sequence({A: 1})
    site.blue.sequence({B: 2})
    site.blue.sequence({A: 2})
    site.copier.run(range(8))
    assert [c.source for c in site.stream(site.green, A)] == [(A, 1), (B, 1), (B, 2), (A, 2)]
    site.teller("blue").do(debit(1), "b")
    site.switch()
    green = site.teller("green")
    with pytest.raises(Refused, match="insufficient-funds"):
        green.do(debit(110), "a")
    assert green.do(debit(109), "a") == 6
    assert [c.epoch for c in site.stream(site.green, A)] == [1] * 6


def test_one_key_and_body_at_both_sources_are_two_commands() -> None:
    site = merged()
    site.switch()
    green = site.teller("green")
    assert green.do(credit(100), "a", command_id="k") == 5
    assert green.do(credit(100), "a", command_id="k") == 5
    version = green.do(credit(10), "a", command_id="only-a")
    assert site.stream(site.green, A)[version - 1].source == (A, 2)


def test_a_retry_to_an_id_that_is_gone_is_led_to_its_first_answer() -> None:
    site = merged()
    site.switch()
    green = site.teller("green")
    with pytest.raises(IdMovedError) as moved:
        green.do(credit(100), "b", command_id="k")
    request = green.request(credit(100), "b", command_id="k")
    found = green.handler.found_in(request, moved.value.successors)
    assert found is not None
    stream, version = found
    assert stream == A
    assert site.stream(site.green, A)[version - 1].source == (B, 2)
    unknown = green.request(credit(100), "b", command_id="never")
    assert green.handler.found_in(unknown, moved.value.successors) is None
    with pytest.raises(KeyReusedError):
        green.handler.found_in(
            green.request(credit(7), "b", command_id="k"), moved.value.successors
        )


def test_a_source_that_does_not_exist_is_barred_too() -> None:
    site = Site(Boundaries([accounts_merged({"b": "a"})]))
    site.teller("blue").do(OPENING, "a")
    site.switch()
    assert site.teller("green").do(credit(1), "a") == 2
    assert site.blue.table.newest(B, consistent=True).bar is not None


def test_causes_are_named_where_they_are_now() -> None:
    site = merged()
    site.teller("blue").do(OPENING, "c", deps=((B, 2), (A, 2)))
    site.copy()
    (copy,) = site.stream(site.green, "main/account-c")
    sources = [c.source for c in site.stream(site.green, A)]
    assert copy.deps == ((A, sources.index((B, 2)) + 1), (A, sources.index((A, 2)) + 1))
    site.log(site.green)
    assert site.green.log.head().next_position == 5


# --- other keys


def test_a_tenant_moves_and_comes_back() -> None:
    boundaries = Boundaries([tenant_moved("account", "main", "acme")])
    site = Site(boundaries)
    site.teller("blue").do(OPENING)
    site.switch()
    green = site.teller("green")
    with pytest.raises(IdMovedError, match="acme/account-a"):
        green.do(credit(1))
    site.take_all()
    (copy,) = site.stream(site.green, "acme/account-a")
    assert (copy.root, copy.mark) == ((A, 1), 1)
    site.switch()
    site.take_all()
    assert site.teller("blue").do(credit(1)) == 2


def test_a_tenant_moves_and_all_others_stay() -> None:
    boundaries = Boundaries([tenant_moved("account", "acme", "new")])
    assert boundaries.faults([A, "acme/account-a"]) == []
    # Whoever moves in would push out who lives there.
    assert boundaries.faults(["new/account-a"])
    site = Site(boundaries)
    site.teller("blue").do(OPENING)
    site.copy()
    site.switch()
    assert site.teller("green").do(credit(1)) == 2


def test_a_stream_that_feeds_none_is_parked_and_not_left_behind() -> None:
    boundaries = Boundaries([Transform("account", (), lambda _: (), lambda _: (), lambda _: ())])
    assert boundaries.faults([A]) == [f"{A} feeds no stream, so its commits would be left behind"]
    site = Site(boundaries)
    site.teller("blue").do(OPENING)
    site.copy()
    ((_, stream, parked),) = site.parking.all()
    assert (stream, parked.reason) == (A, f"{A} feeds no stream, and has a commit")
    assert not site.copier.redrive(A)
    site.copier = replace(
        site.copier, copying=replace(site.copier.copying, boundaries=Boundaries())
    )
    assert site.copier.redrive(A)
    assert len(site.stream(site.green, A)) == 1


# --- other events

GREEN_ACCOUNT = Aggregate(
    "account",
    account.decider,
    Codec({**account.codec.events, "interest-credited": type("Interest", (Credited,), {})}),
    account.carries,
)


def test_interest_gets_a_name_of_its_own() -> None:
    interest = booked("account-credited", operation="interest")
    given(A, [interest, booked("account-credited")], by=[interest_named()]).becomes(
        {A: [[booked("interest-credited"), booked("account-credited")]]}
    )


def test_the_way_back_of_other_events_is_their_inverse() -> None:
    there = Boundaries([interest_named()])
    back = there.back()
    assert back is not None
    events = (booked("account-credited", operation="interest"), booked("account-debited"))
    made = there.made(commit(A, 2)._replace(events=events), None)
    again = back.made(commit(A, 2)._replace(events=tuple(e for _, e in made.events[A])), None)
    assert tuple(e for _, e in again.events[A]) == events


def test_an_event_on_which_the_transform_fails_parks_its_stream_alone() -> None:
    def fails(stored: StoredEvent) -> StoredEvent:
        if stored.body.get("amount") == 13:
            raise ValueError("unlucky")
        return stored

    site = Site(Boundaries([in_place("account", fails)]))
    blue = site.teller("blue")
    for key in ("a", "b"):
        blue.do(OPENING, key)
        blue.do(credit(13 if key == "a" else 1), key)
        blue.do(credit(1), key)
    site.copy()
    ((view, stream, parked),) = site.parking.all()
    assert (view, stream) == (READER, A)
    # What the transform says may have personal data, which it has opened.
    assert parked.reason == f"the transform fails on version 2 of {A}: ValueError"
    assert len(site.stream(site.green, A)) == 1
    assert len(site.stream(site.green, B)) == 3
    blue.do(credit(2), "a")
    site.copy()
    assert len(site.stream(site.green, A)) == 1
    # Behind a bar nobody can wait: the commit is copied as it is, and people are told.
    site.switch()
    assert site.teller("green").do(credit(1), "a") == 5
    assert [(c.aggregate_id, c.version) for c in site.opaque] == [(A, 2)]


def test_an_event_that_the_later_code_cannot_read_parks_its_stream() -> None:
    def unknown(stored: StoredEvent) -> StoredEvent:
        return stored._replace(name="nobody-knows")

    site = Site(Boundaries([in_place("account", unknown)]))
    site.teller("blue").do(OPENING)
    site.copy()
    assert [stream for _, stream, _ in site.parking.all()] == [A]


def test_the_pieces_of_an_event_have_indexes_that_no_other_event_of_its_root_has() -> None:
    def thrice(stream: AggregateId) -> tuple[AggregateId, ...]:
        return (stream,)

    def split_up(moving: Any) -> Any:
        return [(moving.stream, moving.event)] * 3

    transform = Transform("account", ("account",), thrice, thrice, split_up)
    made = Boundaries([transform]).made(
        commit(A, 2)._replace(events=(booked("account-credited"),) * 2), None
    )
    indexes = [index for index, _ in made.events[A]]
    assert indexes == [0, PIECES, 2 * PIECES, 1, 1 + PIECES, 1 + 2 * PIECES]
    second = Boundaries([transform], ordinal=2).made(
        commit(A, 2, root=(A, 2), source=(A, 2))._replace(
            events=tuple(e for _, e in made.events[A]), indexes=tuple(indexes)
        ),
        None,
    )
    again = [index for index, _ in second.events[A]]
    assert len(set(again)) == 18
    assert set(indexes) <= set(again)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (lambda s: ((s,), ()), "does not name it among its sources"),
        (lambda s: ((s,), (s, s._replace(key="x"))), "which does not feed it"),
        (lambda s: ((s._replace(category="card"),), (s._replace(category="account"),)), "lives on"),
    ],
)
def test_what_is_wrong_with_boundaries_is_said(wrong: Any, why: str) -> None:
    transform = Transform(
        "account", ("account", "card"), lambda s: wrong(s)[0], lambda s: wrong(s)[1], lambda _: ()
    )
    assert any(why in fault for fault in Boundaries([transform]).faults([A]))


def test_an_event_is_placed_only_where_its_stream_feeds() -> None:
    def elsewhere(stored: Any) -> Any:
        return [(AggregateId.parse(B), stored.event)]

    def same(stream: AggregateId) -> tuple[AggregateId, ...]:
        return (stream,)

    transform = Transform("account", ("account",), same, same, elsewhere)
    with pytest.raises(TransformError, match="does not feed"):
        Boundaries([transform]).made(commit(A), None)


def test_a_category_has_one_transform() -> None:
    with pytest.raises(ValueError, match="two transforms"):
        Boundaries([interest_named(), cards_apart()])


def test_the_examples_are_sound() -> None:
    streams = [f"main/account-{key}" for key in ("a", "b", "c")]
    for transform in (
        cards_apart(),
        accounts_merged({"b": "a"}),
        tenant_moved("account", "main", "acme"),
        interest_named(),
    ):
        assert Boundaries([transform]).faults(streams) == []

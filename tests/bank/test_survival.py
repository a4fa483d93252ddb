"""Every state survives its snapshot and every event its storage, whatever has happened."""

from functools import cache
from typing import Any, get_args, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.bank.ledger.domain import CloseYear, Gather, Ledger
from chalicelib.bank.ledger.journal import PostEntry, Posting, TurnDown
from chalicelib.domain import DOMAIN
from chalicelib.leftfold.kernel import Aggregate, Refused
from tests.survival import same, stored

YEARS = st.integers(2024, 2028)
DAYS = st.dates().map(lambda day: f"202{day.year % 5 + 4}-{day.month:02}-28")
CURRENCIES = st.sampled_from(["CZK", "EUR"])
# What makes commands that the rules often take; every other field is as its type says.
LIKELY: dict[str, st.SearchStrategy[Any]] = {
    "amount": st.integers(1, 1_000),
    "code": st.sampled_from(["10", "2", "assets", "Žofie"]),
    "commodities": st.dictionaries(st.sampled_from(["ABC", "ZZ"]), st.integers(0, 4)),
    "credit_limit": st.sampled_from([0, 5_000]),
    "currencies": st.lists(CURRENCIES, min_size=1, unique=True).map(tuple),
    "currency": CURRENCIES,
    "date": DAYS,
    "first_year": st.just(2024),
    "journal": st.integers(0, 1),
    "journals": st.just(2),
    "retained_earnings": st.just("9-retained"),
    "reverses": st.none() | st.integers(1, 5),
    "through": DAYS,
    "today": st.sampled_from(["2024-12-31", "2030-01-01"]),
    "value_date": DAYS,
    "year": YEARS,
}


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Values of a command's class, or of a type in it."""
    if kind is PostEntry:
        return entries()
    if isinstance(kind, type) and hasattr(kind, "__dataclass_fields__"):
        hints = get_type_hints(kind)
        known = {name: LIKELY[name] for name in hints if name in LIKELY}
        other = {name: values(hint) for name, hint in hints.items() if name not in LIKELY}
        return st.builds(kind, **known, **other)
    arguments = get_args(kind)
    if arguments[1:] == (...,):
        return st.lists(values(arguments[0]), min_size=1, max_size=3).map(tuple)
    return st.from_type(kind)


@st.composite
def entries(draw: st.DrawFn) -> PostEntry:
    """Entries that balance."""
    amount, currency = draw(LIKELY["amount"]), draw(CURRENCIES)
    codes = draw(st.lists(LIKELY["code"], min_size=2, max_size=2))
    sides = (Posting(codes[0], amount, currency), Posting(codes[1], -amount, currency))
    return PostEntry(draw(DAYS), draw(st.text(max_size=5)), sides, None, draw(LIKELY["reverses"]))


@cache
def of_any_state(aggregate: str) -> list[st.SearchStrategy[Any]]:
    """Commands that may come at any time, by their classes."""
    kinds = get_args(get_type_hints(DOMAIN.aggregates[aggregate].decider.decide)["command"])
    return [values(kind) for kind in kinds if kind not in (TurnDown, Gather)]


def commands(aggregate: Aggregate, state: Any) -> st.SearchStrategy[Any]:
    """Commands of every class that may come in this state."""
    likely = of_any_state(aggregate.category)
    if isinstance(state, Ledger) and state.open_years:
        # Chance alone seldom finds the year that can be closed, and gathers every journal.
        likely = [*likely, next_of_close(state)]
    return st.one_of(likely)


def next_of_close(state: Ledger) -> st.SearchStrategy[Any]:
    """The next command of a year's close."""
    year = state.open_years[0]
    if not state.closing:
        return st.just(CloseYear(year, f"{year + 1}-01-01"))
    # A journal has no totals of accounts that are not in the chart.
    sums = st.dictionaries(CURRENCIES, st.integers(1, 99), min_size=1)
    totals = st.dictionaries(st.sampled_from(sorted(state.accounts)), sums)
    return st.builds(Gather, st.just(year), LIKELY["journal"], totals)


def restored(aggregate: Aggregate, state: Any) -> Any:
    return aggregate.from_snapshot(stored(aggregate.to_snapshot(state)))


def answer(aggregate: Aggregate, state: Any, command: Any) -> Any:
    """The stored events, or the refusal, that the command leads to."""
    try:
        events = aggregate.decider.decide(command, state)
    except Refused as refusal:
        return refusal.code, refusal.facts
    return [aggregate.codec.encode(event) for event in events]


@pytest.mark.slow
@pytest.mark.parametrize("aggregate", DOMAIN.aggregates.values(), ids=DOMAIN.aggregates)
def test_state_and_events_survive_their_storage_at_every_point_of_every_history(
    aggregate: Aggregate,
) -> None:
    """And what is decided does not depend on a snapshot: JSON keeps no order of a dict's
    items, so nothing may rest on it.
    """
    met: set[type] = set()

    @settings(max_examples=100, deadline=None, derandomize=True)
    @given(st.data())
    def live(data: st.DataObject) -> None:
        state = aggregate.decider.initial
        for _ in range(20):
            command = data.draw(commands(aggregate, state))
            assert same(restored(aggregate, state), state)
            answered = answer(aggregate, state, command)
            assert answer(aggregate, restored(aggregate, state), command) == answered
            if not isinstance(answered, list):
                continue
            events = [
                read
                for event in answered
                for read in aggregate.codec.decode(event._replace(body=stored(event.body)))
            ]
            assert same(tuple(events), tuple(aggregate.decider.decide(command, state)))
            state = aggregate.decider.fold(events, state)
            met.update(map(type, events))
        assert same(restored(aggregate, state), state)

    live()
    assert met == set(aggregate.codec.events.values()), "the histories leave out an event"

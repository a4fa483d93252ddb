"""A generation is proved against the one before it, from both logs."""

from typing import Any

import pytest

from chalicelib.bank.account.domain import Open
from chalicelib.leftfold.generations.proof import dry_run, hashed, prove
from chalicelib.leftfold.kernel import Boundaries, StoredEvent, Transform
from tests.commits import commit
from tests.generations.site import AGGREGATES, Site
from tests.teller import OPENING, credit, debit
from tests.vaults import vault_of
from tools.bank.transforms import accounts_merged, card, cards_apart, in_place, interest_named

ON_CARD = Open("Ada", "CZK", "credit-card", 500)


def money(event: StoredEvent) -> int:
    """What an event adds to the sum of all balances."""
    sign = {"credited": 1, "debited": -1}.get(event.name.rpartition("-")[2], 0)
    amount: int = event.body.get("amount", 0)
    return sign * amount


MONEY = {"money": money}


def live(*transforms: Transform) -> Site:
    """Blue with some accounts at work."""
    site = Site(Boundaries(transforms), {**AGGREGATES, "card": card})
    blue = site.teller("blue")
    for key, opening in (("a", OPENING), ("b", OPENING), ("c", ON_CARD)):
        blue.do(opening, key)
        blue.do(credit(100), key)
        blue.do(debit(30), key)
    return site


@pytest.mark.parametrize(
    "transforms",
    [(), (cards_apart(),), (accounts_merged({"b": "a"}),)],
    ids=["identity", "split", "merge"],
)
def test_what_was_taken_is_proved_and_goes_on(transforms: tuple[Transform, ...]) -> None:
    site = live(*transforms)
    site.copy()
    site.switch()
    site.take_all()
    site.teller("green").do(credit(5), "a")
    site.log(site.green)
    report = prove(site.blue.log, site.green.log, site.boundaries, MONEY, vault_of())
    assert list(report.differences()) == []
    assert (report.commits, report.streams, report.native) == (9, 3, 1)
    assert report.before == report.after == {"money": 210}


def test_what_went_there_and_came_back_and_went_there_again_is_proved_in_both_directions() -> None:
    site = live()
    for name in ("green", "blue", "green"):
        site.switch()
        site.take_all()
        site.teller(name).do(credit(5), "a")
    for truth in (site.blue, site.green):
        site.log(truth)
    report = prove(site.blue.log, site.green.log, site.boundaries, MONEY, vault_of())
    assert list(report.differences()) == []
    assert (report.commits, report.native) == (10, 2)
    assert report.before == report.after == {"money": 215}


def test_a_copy_that_is_missing_or_was_changed_is_named() -> None:
    site = live()
    site.copy()
    site.log(site.green)
    changed = site.stream(site.green, "main/account-a")[1]
    log: Any = site.green.log
    blocks = [
        block._replace(
            commits=[
                c._replace(body_hash="11" * 8) if c == changed else c
                for c in block.commits
                if (c.aggregate_id, c.version) != ("main/account-b", 3)
            ]
        )
        for block in log.blocks(0)
    ]
    log.blocks = lambda _position, _limit=None: iter(blocks)
    report = prove(site.blue.log, log, site.boundaries, MONEY, vault_of())
    assert list(report.differences()) == [
        "main/account-a has 3 copies, and some are not the transform",
        "main/account-b has 2 copies, and should have 3",
        "money was 210, and is 240",
    ]


@pytest.mark.parametrize(
    ("fact", "other"),
    [
        ("command_id", "another"),
        ("body_hash", "11" * 8),
        ("at", "2027-01-01T00:00:00.000Z"),
        ("actor", "Eve"),
        ("authority", "nobody"),
        ("correlation_id", "another"),
        ("traceparent", f"00-{'1' * 32}-{'1' * 16}-01"),
        ("tags", ("customer:17",)),
    ],
)
def test_a_copy_with_another_fact_is_another_copy(fact: str, other: object) -> None:
    one = commit()
    pairs = list(enumerate(one.events))
    changed: Any = {fact: other}
    assert hashed(one._replace(**changed), pairs) != hashed(one, pairs)
    assert hashed(one._replace(mark=1), pairs) == hashed(one, pairs)


def test_a_dry_run_tells_what_would_become_of_a_log() -> None:
    site = live(accounts_merged({"b": "a"}))
    site.log(site.blue)
    report = dry_run([site.blue.log], site.boundaries, MONEY, vault_of())
    assert list(report.differences()) == []
    assert (report.streams, report.commits, report.events, report.dropped) == (3, 9, 9, 1)
    assert {stream: total.commits for stream, total in report.should.items()} == {
        "main/account-a": 6,
        "main/account-c": 3,
    }
    assert site.stream(site.green, "main/account-a") == []


def test_a_dry_run_names_the_streams_on_which_the_transform_fails_and_money_that_is_lost() -> None:
    def fails(event: StoredEvent) -> StoredEvent:
        if event.body.get("kind") == "credit-card":
            raise ValueError("no cards")
        return event._replace(body={**event.body, "amount": 0})

    site = live(in_place("account", fails))
    site.log(site.blue)
    report = dry_run([site.blue.log], site.boundaries, MONEY, vault_of())
    differences = list(report.differences())
    assert any(d.startswith("main/account-c cannot be transformed") for d in differences)
    assert any(d.startswith("money was") for d in differences)


def test_other_events_are_proved_by_their_roots_on_the_way_back_too() -> None:
    site = live(interest_named())
    site.switch()
    site.take_all()
    site.switch()
    site.take_all()
    site.log(site.blue)
    site.log(site.green)
    assert (
        list(prove(site.blue.log, site.green.log, site.boundaries, MONEY, vault_of()).differences())
        == []
    )

"""What every ledger of effects promises."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from chalicelib.leftfold.store.effects import DynamoEffects
from chalicelib.leftfold.store.memory import MemoryEffects
from chalicelib.leftfold.store.ports import CLAIM, EffectKey, Effects, Planned
from tests.clock import Clock
from tools.tables import create_tables, dynamodb_client

PLACE = EffectKey("notify", "main/transfer-t", 7, 0, "done")
EFFECT = {"to": "ada@example.com", "subject": "Žofie", "text": "a\nb"}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(
    params=["memory", pytest.param("dynamodb", marks=pytest.mark.engine("dynamodb_local"))]
)
def effects(request: pytest.FixtureRequest, clock: Clock) -> Effects:
    if request.param == "memory":
        return MemoryEffects(clock)
    client = dynamodb_client(request.getfixturevalue("dynamodb_local"))
    return DynamoEffects(client, f"{create_tables(client)}-effects", clock)


def test_an_effect_is_decided_once(effects: Effects, clock: Clock) -> None:
    assert effects.plan(PLACE, EFFECT, "one") == Planned(EFFECT, None, mine=True)
    clock.forward(days=9)
    other = effects.plan(PLACE, {"to": "bob@example.com"}, "two")
    assert other == Planned(EFFECT, None, mine=True)


def test_each_place_has_an_effect_of_its_own(effects: Effects) -> None:
    places = [
        PLACE,
        PLACE._replace(name="do"),
        PLACE._replace(event_index=1),
        PLACE._replace(version=70),
        PLACE._replace(aggregate_id="main/transfer-t7"),
        PLACE._replace(policy="x"),
    ]
    for n, key in enumerate(places):
        assert effects.plan(key, {"n": n}, "one").effect == {"n": n}


def test_while_one_sends_no_other_does(effects: Effects, clock: Clock) -> None:
    effects.plan(PLACE, EFFECT, "one")
    assert not effects.plan(PLACE, EFFECT, "two").mine
    assert effects.plan(PLACE, EFFECT, "one").mine
    clock.forward(seconds=CLAIM.total_seconds() + 1)
    assert effects.plan(PLACE, EFFECT, "two").mine
    assert not effects.plan(PLACE, EFFECT, "one").mine


def test_what_is_done_is_nobodys_to_send(effects: Effects, clock: Clock) -> None:
    effects.plan(PLACE, EFFECT, "one")
    effects.finish(PLACE, "sent: 1")
    clock.forward(days=9)
    for owner in ("one", "two"):
        assert effects.plan(PLACE, EFFECT, owner) == Planned(EFFECT, "sent: 1", mine=False)


def test_the_first_answer_stays(effects: Effects) -> None:
    effects.plan(PLACE, EFFECT, "one")
    effects.finish(PLACE, "sent: 1")
    effects.finish(PLACE, "sent: 2")
    assert effects.plan(PLACE, EFFECT, "one").answer == "sent: 1"


def test_an_effect_is_found_as_it_was_decided_and_is_nobodys_by_that(effects: Effects) -> None:
    assert effects.find(PLACE) is None
    effects.plan(PLACE, EFFECT, "one")
    assert effects.find(PLACE) == Planned(EFFECT, None, mine=False)
    assert effects.find(PLACE._replace(name="do")) is None
    assert effects.plan(PLACE, EFFECT, "one").mine, "the claim is as it was"
    effects.finish(PLACE, "sent: 1")
    assert effects.find(PLACE) == Planned(EFFECT, "sent: 1", mine=False)


def test_of_many_that_claim_at_once_one_may_send(effects: Effects) -> None:
    with ThreadPoolExecutor(8) as threads:
        claims = threads.map(lambda n: effects.plan(PLACE, EFFECT, f"owner-{n}").mine, range(8))
        assert sum(claims) == 1

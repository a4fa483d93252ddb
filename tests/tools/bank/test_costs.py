from dataclasses import replace

import pytest

from tools.bank.costs import (
    BLOCK,
    BUSY,
    ISOLATED,
    PAGE,
    before,
    bill,
    followers,
    idle,
    page,
)
from tools.bootstrap import ROOT
from tools.prices import Price, prices
from tools.stages import stages

PROD = stages()["prod"]
FREE = {name: Price(0, *entry[1:]) for name, entry in prices().items()}


def test_the_page_is_as_its_command_makes_it() -> None:
    assert (ROOT / PAGE).read_text() == page(), "run ./leftfold cost"


def test_every_price_says_where_it_is_from() -> None:
    for entry in prices().values():
        assert entry.price > 0
        assert entry.vendor.startswith("https://")
        assert entry.read


def test_a_million_isolated_bookings_are_a_million_times_what_each_function_takes() -> None:
    write = FREE | {"dynamodb_write": Price(1e-6, "", "", "")}
    written = bill(ISOLATED, 1, PROD, write)["DynamoDB, writes"]
    assert written == pytest.approx(sum(use.writes for use in ISOLATED))
    invoked = bill(ISOLATED, 1, PROD, FREE | {"lambda_request": Price(1e-6, "", "", "")})
    assert invoked["Lambda, requests"] == pytest.approx(len(ISOLATED))


def test_a_block_is_paid_once_by_its_commands() -> None:
    write = FREE | {"dynamodb_write": Price(1e-6, "", "", "")}
    written = bill(BUSY, BLOCK, PROD, write)["DynamoDB, writes"]
    assert written == pytest.approx(sum(use.writes for use in BUSY) / BLOCK)


def test_before_each_block_woke_every_follower() -> None:
    everyone = {use.function: use for use in before(ISOLATED, 1.0)}
    assert set(followers()) <= set(everyone)
    assert everyone["log_grew"].wakes == len(followers())
    # Nothing else has changed for those that hear it.
    assert [everyone[u.function] for u in ISOLATED if u.function != "log_grew"] == [
        u for u in ISOLATED if u.function != "log_grew"
    ]


def test_an_idle_month_follows_the_sizes_of_the_stage() -> None:
    price = prices()
    small = idle(PROD, price)
    double = replace(PROD, search_instances=2 * PROD.search_instances, shards=2 * PROD.shards)
    large = idle(double, price)
    assert large["OpenSearch"] == pytest.approx(2 * small["OpenSearch"])
    assert large["Kinesis"] == pytest.approx(2 * small["Kinesis"])
    assert large["alarms"] == small["alarms"]
    assert idle(PROD, price, accounts=8_000)["DynamoDB, sweeps"] > small["DynamoDB, sweeps"]

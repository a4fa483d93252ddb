"""Writers, relays and views on DynamoDB Local, with 5 % of all requests struck by a fault."""

from collections.abc import Mapping
from itertools import pairwise

from chalicelib.leftfold.kernel import LANES
from tests.engines.plan import Plan, Report
from tests.engines.run import run
from tests.engines.shards import Shard, Shards

AGAIN = "run it larger: python -m tests.engines --help"


def check(report: Report) -> None:
    assert report.broken == [], AGAIN
    assert report.commits == report.outcomes["acknowledged"] == report.plan.commits
    assert report.outcomes["unknown"] == 0
    assert sum(report.struck.values()) > 0


def test_lost_repeated_and_shuffled_records_change_no_result(dynamodb_local: str) -> None:
    report = run(Plan(), dynamodb_local)
    check(report)
    assert report.dropped > 0
    assert report.repeated > 0


def test_without_any_transport_the_sweeper_alone_brings_the_same_result(
    dynamodb_local: str,
) -> None:
    report = run(Plan(transport=False), dynamodb_local)
    check(report)
    assert report.requests["relay"] == {}


def test_a_poison_event_parks_its_stream_and_the_others_flow(dynamodb_local: str) -> None:
    plan = Plan(poison=True)
    view, aggregate_id, _ = plan.poisoned
    report = run(plan, dynamodb_local)
    check(report)
    assert report.parked == [(view, aggregate_id)]
    assert report.stuck == [f"{view} {aggregate_id}"]


def test_of_two_clients_on_one_account_each_command_is_there_once(dynamodb_local: str) -> None:
    check(run(Plan(commits=60, streams=1, writers=2, relays=2, workers=1), dynamodb_local))


def test_the_order_across_shards_survives_a_split_and_a_merge(
    dynamodb_local: str, kinesis_local: str
) -> None:
    with Shards(kinesis_local, seed=1, rate=0.05) as shards:
        check(run(Plan(), dynamodb_local, shards))
        known = shards.shards()
    # Four at first, two by the split, one by the merge; and records in every one.
    assert len(known) == 4 + 2 + 1
    assert {shard for _, shard in shards.places} == set(known)
    assert all(lane in known[shard].lanes for lane, shard in shards.places)
    for lane in range(LANES):
        assert is_a_line(known, {shard for at, shard in shards.places if at == lane})


def is_a_line(known: Mapping[str, Shard], visited: set[str]) -> bool:
    """Whether the shards that a lane was in are ancestors of one another."""
    by_age = sorted(visited)
    return all(a in known[b].parents for a, b in pairwise(by_age))

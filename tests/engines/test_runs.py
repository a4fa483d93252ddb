"""Writers, relays and views on DynamoDB Local, with 5 % of all requests struck by a fault."""

from tests.engines.plan import Plan, Report
from tests.engines.run import run
from tests.engines.shards import Shards

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
    check(run(Plan(commits=200, streams=1, writers=2), dynamodb_local))


def test_the_order_across_shards_survives_a_split_and_a_merge(
    dynamodb_local: str, kinesis_local: str
) -> None:
    shards = Shards(kinesis_local, seed=1, rate=0.05)
    check(run(Plan(), dynamodb_local, shards))
    assert shards.faults.requests["PutRecords"] > 0
    places = shards.places
    known = shards.shards()
    assert len(known) == 4 + 2 + 1
    assert {shard for _, shard in places} == set(known)
    assert all(lane in known[shard].lanes for lane, shard in places)

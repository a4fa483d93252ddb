"""What every way out to other systems promises, and what EventBridge's answers mean to us."""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from uuid import uuid4

import boto3
import pytest
from botocore.stub import Stubber

from chalicelib.leftfold.policies.outside import (
    MOST_BYTES,
    Answer,
    CloudEvent,
    EventBridge,
    MemoryOutside,
    Outside,
    batches,
    size_of,
)
from chalicelib.leftfold.store.ports import CallRefusedError
from tests.contracts import moto

BUS = "test-announcements"
Way = tuple[Outside, Callable[[], list[CloudEvent]]]


def said(name: str, **more: Any) -> CloudEvent:
    """An announcement, as far as a way out looks into it."""
    return {
        "specversion": "1.0",
        "id": name,
        "source": "urn:leftfold:test:main",
        "type": "account.account-frozen",
        "subject": "main/account-a",
        "time": "2026-01-01T00:00:00.000Z",
        "dataref": "/streams/account/a/commits/1",
        "data": {},
    } | more


def listened(events: Any, sqs: Any) -> Way:
    """A bus with a rule that fills a queue, and what is in the queue."""
    bus = f"{BUS}-{uuid4().hex[:8]}"
    events.create_event_bus(Name=bus)
    queue = sqs.create_queue(QueueName=bus)["QueueUrl"]
    asked = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
    pattern = json.dumps({"source": ["urn:leftfold:test:main"]})
    events.put_rule(Name=bus, EventBusName=bus, EventPattern=pattern)
    target = {"Id": "queue", "Arn": asked["Attributes"]["QueueArn"]}
    events.put_targets(Rule=bus, EventBusName=bus, Targets=[target])

    def taken() -> list[CloudEvent]:
        found: list[CloudEvent] = []
        while messages := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get(
            "Messages"
        ):
            for message in messages:
                whole = json.loads(message["Body"])
                assert whole["detail-type"] == whole["detail"]["type"]
                found.append(whole["detail"])
                sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return found

    return EventBridge(events, bus, map), taken


@pytest.fixture(params=["memory", pytest.param("ministack", marks=pytest.mark.engine("ministack"))])
def way(request: pytest.FixtureRequest) -> Iterator[Way]:
    if request.param == "memory":
        outside = MemoryOutside()
        yield outside, lambda: outside.taken
    else:
        where = {
            "endpoint_url": request.getfixturevalue("ministack"),
            "region_name": moto.REGION,
            "aws_access_key_id": "local",
            "aws_secret_access_key": "local",
        }
        yield listened(boto3.client("events", **where), boto3.client("sqs", **where))


def by_id(found: Sequence[CloudEvent]) -> dict[str, CloudEvent]:
    return {event["id"]: event for event in found}


def test_what_is_put_arrives_as_it_is(way: Way) -> None:
    outside, taken = way
    put = [said(f"a@{n}.0.0", data={"owner": "Žofie", "amount": 2**53 + n}) for n in range(23)]
    assert outside.put(put) == Answer()
    assert by_id(taken()) == by_id(put)


def test_nothing_is_put_where_there_is_nothing(way: Way) -> None:
    outside, taken = way
    assert outside.put([]) == Answer()
    assert taken() == []


# --- EventBridge


class Told:
    """A client of EventBridge that answers each entry as it was told, and notes the calls."""

    def __init__(self, *codes: str) -> None:
        self.codes = list(codes)
        self.calls: list[list[CloudEvent]] = []

    def describe_event_bus(self, **_: str) -> None:
        pass

    def put_events(self, Entries: list[Any]) -> Any:  # noqa: N803 - boto3's name
        self.calls.append([json.loads(entry["Detail"]) for entry in Entries])
        codes = [self.codes.pop(0) if self.codes else "" for _ in Entries]
        made = [
            {"ErrorCode": code, "ErrorMessage": "because"} if code else {"EventId": "e"}
            for code in codes
        ]
        return {"FailedEntryCount": sum(map(bool, codes)), "Entries": made}


def test_the_entries_of_a_call_fail_one_by_one() -> None:
    """A call that has succeeded may have failed in part: nothing but its entries tells."""
    client = Told("", "ThrottlingException", "MalformedDetail", "InternalFailure")
    put = [said(str(number)) for number in range(4)]
    answer = EventBridge(client, BUS, map).put(put)
    assert answer == Answer((put[1], put[3]), {"2": "MalformedDetail: because"})


@pytest.mark.parametrize("code", ["AccessDeniedException", "NotAuthorizedForSourceException"])
def test_a_deployment_that_may_not_announce_fails_loudly(code: str) -> None:
    with pytest.raises(CallRefusedError, match=code):
        EventBridge(Told("", code), BUS, map).put([said("1"), said("2")])


def test_a_call_has_ten_entries_and_256_kilobytes_at_most() -> None:
    client = Told()
    put = [said(str(number)) for number in range(25)]
    put += [said(f"l{number}", data={"text": "x" * 100_000}) for number in range(3)]
    EventBridge(client, BUS, map).put(put)
    assert [len(call) for call in client.calls] == [10, 10, 7, 1]
    assert [event["id"] for call in client.calls for event in call] == [e["id"] for e in put]


def test_a_call_is_as_large_as_it_may_be() -> None:
    sized = [{"Source": "s", "DetailType": "t", "Detail": "č" * 200}] * 2
    half = [{**entry, "Detail": "x" * (MOST_BYTES // 2 - 16)} for entry in sized]
    assert [size_of(entry) for entry in (sized[0], half[0])] == [416, MOST_BYTES // 2]
    assert [len(batch) for batch in batches([({}, entry) for entry in half])] == [2]
    half[1] = {**half[1], "Detail": half[1]["Detail"] + "x"}
    assert [len(batch) for batch in batches([({}, entry) for entry in half])] == [1, 1]


def test_data_that_is_too_large_is_left_out_and_referred_to() -> None:
    client = Told()
    EventBridge(client, BUS, map).put([said("1", data={"text": "x" * MOST_BYTES}), said("2")])
    (first, second) = client.calls[0]
    assert first == {name: value for name, value in said("1").items() if name != "data"}
    assert second == said("2")


def events_client() -> Any:
    return boto3.client(
        "events",
        region_name=moto.REGION,
        aws_access_key_id="local",
        aws_secret_access_key="local",  # noqa: S106 - nobody is asked
    )


def test_a_call_that_fails_is_made_again_with_all_of_its_entries() -> None:
    client = events_client()
    with Stubber(client) as stub:
        stub.add_response("describe_event_bus", {})
        stub.add_client_error("put_events", "ThrottlingException", http_status_code=400)
        assert EventBridge(client, BUS, map).put([said("1"), said("2")]).later == (
            said("1"),
            said("2"),
        )


def test_a_bus_that_does_not_exist_is_told_of() -> None:
    """EventBridge takes events for such a bus, and drops them."""
    client = events_client()
    with Stubber(client) as stub:
        stub.add_client_error("describe_event_bus", "ResourceNotFoundException")
        with pytest.raises(CallRefusedError):
            EventBridge(client, BUS, map).put([said("1")])

"""Wakes: what they carry, who answers them, and that none leads to another."""

import gzip
import json
import zlib
from typing import Any

import boto3
import pytest
from moto import mock_aws

from chalicelib.domain import DOMAIN
from chalicelib.functions import handler
from chalicelib.leftfold.functions.readers import SLICE
from chalicelib.leftfold.kernel import lane_of
from chalicelib.leftfold.relay.waker import LambdaWaker
from chalicelib.leftfold.store.blocks import lane_records
from chalicelib.leftfold.store.bus import LaneRecord
from chalicelib.leftfold.store.ports import PASSED
from tests.builders import Added, LogBuilder, stream
from tests.commits import commit
from tests.functions import test_functions as functions
from tests.functions.test_functions import Context, Functions, bus_event, grown, lines, metrics

site = functions.site

WAKE_UP: dict[str, Any] = {"Records": []}
A = "main/account-a"


class Late(Context):
    """Lambda's context, with no time left for another slice."""

    def get_remaining_time_in_millis(self) -> int:
        return 19_000


def logged(site: Functions, blocks: int) -> None:
    """A log of *blocks* blocks, each with a commit that no view listens to."""
    story = LogBuilder(site.log)
    for n in range(blocks):
        story.block((stream("a"), [Added(n)]))


# --- a wake and what it carries


class Invoked:
    """Lambda's client, which notes what it is asked to invoke."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []

    def invoke(self, **call: Any) -> None:
        self.calls.append(call)


def test_a_ring_is_an_invocation_without_records_that_says_what_is_wanted() -> None:
    client: Any = Invoked()
    door = LambdaWaker(client, lambda function: f"stack-{function}")
    door.wake("relay", {A: 7})
    door.wake("totals")
    assert [(c["FunctionName"], c["InvocationType"]) for c in client.calls] == [
        ("stack-relay", "Event"),
        ("stack-totals", "Event"),
    ]
    assert [json.loads(c["Payload"]) for c in client.calls] == [
        {"Records": [], "log": "main", "wanted": {A: 7}},
        {"Records": [], "log": "main", "wanted": {}},
    ]


def test_a_ring_that_fails_is_counted_and_nothing_else(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        client = boto3.client("lambda", region_name="eu-central-1")
        LambdaWaker(client, lambda function: function).wake("nobody")
    (lost,) = metrics(capsys)
    assert (lost["WakeUpsLost"], lost["function"]) == (1, "nobody")
    assert lost["reason"].startswith("ResourceNotFoundException in ")


# --- catching up


@pytest.mark.parametrize(
    ("view", "function"), [(name, handler(name)) for name in ("balances", "totals")]
)
def test_a_view_that_runs_out_of_time_returns_and_rings_nobody(
    site: Functions, view: str, function: Any
) -> None:
    # Blocks that the view does not hear, which it passes over by their links.
    passed = SLICE * PASSED
    logged(site, 3 * passed)
    function(WAKE_UP, Late())
    assert site.door.woken == []
    reached = set(site.checkpoints.read(view, range(64)).values())
    assert reached == {-1, passed - 1}
    for _ in range(2):
        function(WAKE_UP, Late())
    assert max(site.checkpoints.read(view, range(64)).values()) == 3 * passed - 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("view", "function"), [(name, handler(name)) for name in ("balances", "totals")]
)
def test_a_view_that_finds_others_faster_leaves_the_work_to_them(
    site: Functions, capsys: pytest.CaptureFixture[str], view: str, function: Any
) -> None:
    logged(site, 1)
    site.checkpoints.move = lambda *_: False  # type: ignore[method-assign]
    function(WAKE_UP, Context())
    (left,) = metrics(capsys)
    assert (left["CatchUpsLeft"], left["view"]) == (1, view)
    assert left["reason"] == f"{view}: other runners were faster 8 times"


def test_every_invocation_writes_a_line_of_what_it_did(
    site: Functions, capsys: pytest.CaptureFixture[str]
) -> None:
    """MiniStack waits 50 ms for a function that writes none, and all others wait with it."""
    logged(site, 1)
    lines(capsys)
    handler("balances")(WAKE_UP, Context())
    handler("totals")(WAKE_UP, Context())
    handler("log_grew")(grown(("account",)), Context())
    records = [r for block in site.services.log.blocks(0) for r in lane_records(block)]
    handler("balances")(bus_event(*(record.to_bytes() for record in records)), Context())
    followed, ordered, woke, took = lines(capsys)
    assert (followed["reader"], followed["message"]) == ("balances", "followed the log")
    assert (ordered["reader"], ordered["message"]) == ("totals", "followed the log")
    assert (woke["message"], "totals" in woke["readers"]) == ("woke", True)
    assert (took["reader"], took["records"]) == ("balances", len(records))


def test_an_ordered_view_that_fails_parks_its_tenant_and_ends_well(site: Functions) -> None:
    site.write(commit())
    site.services.relay.run({A: 1})
    site.services.views = {"totals": DOMAIN.views["totals"].__class__(**BROKEN)}
    handler("totals")(WAKE_UP, Context())
    assert [scope for _, scope, _ in site.services.parking.all("totals")] == ["main/"]


def broken(*_: object) -> Any:
    """What a buggy view does."""
    raise ZeroDivisionError


BROKEN = {**vars(DOMAIN.views["totals"]), "fold": broken}


# --- records that cannot be read


def lane_record(**changes: Any) -> bytes:
    """The record of a commit, as JSON with *changes*, packed as the relay packs it."""
    record = LaneRecord("main", lane_of(A), 5, 5, 3, [(5, commit(A))])
    content = json.loads(record.to_bytes())
    return gzip.compress(json.dumps({**content, **changes}).encode())


def packed(value: object) -> bytes:
    return gzip.compress(json.dumps(value).encode())


LINE = json.loads(commit(A).line)
# A block of deflate that is of no kind.
CORRUPT = packed({})[:10] + b"\x07" + packed({})[11:]

UNREADABLE = {
    "corrupt deflate": CORRUPT,
    "a list": packed([]),
    "null": packed(None),
    "a number": packed(1),
    "a name is missing": packed({"lane": 1}),
    "deep": gzip.compress(b"[" * 10_000),
    "no last position": lane_record(lastPosition=None),
    "a position that is text": lane_record(firstPosition="5"),
    "a position that is true": lane_record(previousInLane=True),
    "a lane below": lane_record(lane=-1),
    "a lane above": lane_record(lane=64),
    "a lane that is no number": lane_record(lane="1"),
    "a lane that is another": lane_record(lane=(lane_of(A) + 1) % 64),
    "backwards": lane_record(previousInLane=5),
    "no commit": lane_record(commits=[]),
    "commits that are a number": lane_record(commits=3),
    "a commit beyond the record": lane_record(commits=[[6, LINE]]),
    "a commit twice": lane_record(firstPosition=4, commits=[[4, LINE], [4, LINE], [5, LINE]]),
    "a commit without a place": lane_record(commits=[[None, LINE]]),
    "a commit of nobody": lane_record(commits=[[5, LINE | {"aggregateId": None}]]),
    "a commit without events": lane_record(commits=[[5, LINE | {"events": None}]]),
    "a commit that is a text": lane_record(commits=[[5, commit(A).line]]),
    "JSON that is cut off": lane_record()[:-1],
}


def test_deflate_that_is_corrupt_is_told_as_such() -> None:
    with pytest.raises(zlib.error):
        LaneRecord.from_bytes(CORRUPT)


@pytest.mark.parametrize("data", UNREADABLE.values(), ids=UNREADABLE)
def test_a_record_that_no_relay_sent_is_passed_over_and_counted(
    site: Functions, capsys: pytest.CaptureFixture[str], data: bytes
) -> None:
    site.write(commit())
    site.services.relay.run({A: 1})
    capsys.readouterr()
    (good,) = (record.to_bytes() for record in site.bus.records)
    handler("balances")(bus_event(data, good, data), Context())
    assert site.rows["balances"].load([A])[A].row is not None
    assert [m["BrokenRecords"] for m in metrics(capsys)] == [1, 1]


def test_an_event_without_data_is_passed_over(site: Functions) -> None:
    handler("balances")(
        {"Records": [{}, {"kinesis": None}, {"kinesis": {"data": None}}]}, Context()
    )
    assert site.door.woken == []


def test_a_record_that_carries_positions_only_is_a_good_one(site: Functions) -> None:
    site.write(commit())
    site.services.relay.run({A: 1})
    (good,) = site.bus.records
    handler("balances")(bus_event(good._replace(commits=None).to_bytes()), Context())
    assert site.rows["balances"].load([A])[A].row is not None

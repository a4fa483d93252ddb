"""What a function takes of what it is given: records that no relay makes, images of the stream, and
work that is another generation's.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib.domain import DOMAIN
from chalicelib.leftfold.functions.lane_records import decoded
from chalicelib.leftfold.functions.readers import rests
from chalicelib.leftfold.functions.relay import commit_in
from chalicelib.leftfold.generations.control import Control
from chalicelib.leftfold.generations.memory import MemoryControl
from chalicelib.leftfold.kernel import Policy, RecentCommand, Snapshot, lane_of
from chalicelib.leftfold.store.bus import LaneRecord
from chalicelib.leftfold.wiring import process
from chalicelib.leftfold.wiring.services import Services
from chalicelib.leftfold.wiring.settings import Settings
from tests.commits import commit
from tests.functions.test_functions import bus_event, stream_event

A, B = "main/account-a", "main/account-b"
LANE = lane_of(A)
ONE = LaneRecord("main", LANE, 3, 5, 1, [(3, commit(A, 1)), (5, commit(A, 2))])
# Its commits are too large for a record.
LARGE = ONE._replace(commits=None)


def taken(*records: LaneRecord) -> list[LaneRecord]:
    return list(decoded(bus_event(*(record.to_bytes() for record in records))["Records"]))


@pytest.mark.parametrize(
    "record",
    [ONE, LARGE, LARGE._replace(last_position=3), LARGE._replace(lane=63), LARGE._replace(lane=0)],
)
def test_what_a_relay_puts_on_the_bus_is_taken(record: LaneRecord) -> None:
    assert taken(record) == [record]


WRONG: dict[str, dict[str, Any]] = {
    "of a lane that there is not": {"lane": 64, "commits": None},
    "of no lane": {"lane": -1, "commits": None},
    "of a lane that is no number": {"lane": True, "commits": None},
    "of another lane": {"lane": (LANE + 1) % 64},
    "with a commit of another lane": {"commits": [(3, commit(A)), (5, commit(B))]},
    "that ends before it begins": {"first_position": 5, "last_position": 3, "commits": None},
    "that ends where it says that it does not": {"last_position": 6},
    "that begins where it says that it does not": {"first_position": 2},
    "that begins where the one before it ends": {"previous_in_lane": 3},
    "that ends at no position": {"last_position": 5.0, "commits": None},
    "that follows nothing": {"previous_in_lane": None},
    "of no log": {"log": 7},
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_a_record_is_passed_over(wrong: dict[str, Any]) -> None:
    """Its lane has a gap then, which the log fills; the records beside it are taken."""
    assert lane_of(A) != lane_of(B)
    assert taken(ONE._replace(**wrong), ONE) == [ONE]


def test_a_relay_takes_of_an_image_what_the_log_is_to_have() -> None:
    """Snapshots and recent commands are for loads: with them a relay's memory would be small."""
    heavy = commit(version=2)._replace(
        snapshot=Snapshot("f", {"balance": 1}),
        recent_commands=(RecentCommand(b"c" * 16, b"b" * 8, 1),),
    )
    (record,) = stream_event(heavy)["Records"]
    assert commit_in(record["dynamodb"]) == commit(version=2)
    assert commit_in({"Keys": {}}) is None


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    before = process._services
    yield
    process._services = before


POLICIES = [name for name, one in DOMAIN.policies.items() if isinstance(one, Policy)]
OTHERS = [*DOMAIN.views, *(name for name in DOMAIN.policies if name not in POLICIES)]


@pytest.mark.parametrize(
    ("follows", "active", "resting"),
    [
        # The policies of a generation that is being filled, or that has given its streams back.
        ({"LEFTFOLD_EARLIER": "blue"}, "blue", POLICIES),
        ({"LEFTFOLD_EARLIER": "blue"}, "green", []),
        # The truth's functions do not wake those of an earlier one.
        ({}, "blue", []),
    ],
)
def test_policies_rest_in_a_later_generation_that_is_not_active_and_nothing_else_does(
    follows: dict[str, str], active: str, resting: list[str]
) -> None:
    control = MemoryControl()
    assert control.change(None, Control(active))
    settings = Settings({"LEFTFOLD_STACK": "green", **follows})
    process.use(Services(settings, DOMAIN, control=control))
    assert POLICIES
    assert OTHERS
    assert [name for name in (*POLICIES, *OTHERS) if rests(name)] == resting

"""What every log promises."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from chalicelib.leftfold.store.blocks import hash_of, seal
from chalicelib.leftfold.store.log import DynamoLog, LogTables
from chalicelib.leftfold.store.memory import MemoryLog
from chalicelib.leftfold.store.ports import PASSED, Head, Log, Segment, StreamEntry
from tests.commits import commit
from tools.tables import create_tables, dynamodb_client, log_tables


def test_logs_in_the_same_tables_know_nothing_of_each_other(another: tuple[Log, Log]) -> None:
    """One log for each group of tenants is a name in the keys, and nothing else."""
    north, south = another
    filled(north, blocks=2, size=3)
    head = append(south, Head(), *((f"south/account-{n}", 1) for n in range(4)))
    assert head is not None
    assert south.add_segment(Segment(0, 4, "k", "h", "l", "i"))
    assert (north.head().next_position, south.head().next_position) == (6, 4)
    assert [block.next_position for block in north.blocks(0)] == [3, 6]
    assert [block.next_position for block in south.blocks(0)] == [4]
    assert list(north.segments()) == []
    assert len(dict(north.registry())) == 3
    assert {stream[:5] for stream, _ in south.registry()} == {"south"}
    whole = dict(north.registry(every_log=True))
    assert whole == dict(north.registry()) | dict(south.registry())
    of_parts = [dict(north.registry(part=part, parts=3, every_log=True)) for part in range(3)]
    assert sum(map(len, of_parts)) == len(whole)
    # The registry is one, so whoever asks for a stream needs not know its log.
    assert north.streams(["south/account-0"]) == south.streams(["south/account-0"]) != {}
    south.delete([0])
    assert len(list(north.blocks(0))) == 2


@pytest.fixture
def another(log: Log) -> tuple[Log, Log]:
    """Two logs; of DynamoDB's, both in the same tables."""
    if isinstance(log, MemoryLog):
        registry: dict[str, StreamEntry] = {}
        return MemoryLog(registry), MemoryLog(registry)
    assert isinstance(log, DynamoLog)
    tables = LogTables(log._log, log._bodies, log._streams)
    return log, DynamoLog(log._client, tables, "south")


@pytest.fixture(
    params=["memory", pytest.param("dynamodb", marks=pytest.mark.engine("dynamodb_local"))]
)
def log(request: pytest.FixtureRequest) -> Log:
    if request.param == "memory":
        return MemoryLog()
    client = dynamodb_client(request.getfixturevalue("dynamodb_local"))
    stack = create_tables(client)
    return DynamoLog(client, log_tables(stack))


def append(log: Log, head: Head, *places: tuple[str, int]) -> Head | None:
    """Logs one block of commits on *head*; the head after it, or None if it was lost."""
    block, next_head = seal(head, [commit(*place) for place in places])
    moves: dict[str, tuple[StreamEntry, StreamEntry]] = {}
    for position, (aggregate_id, version) in enumerate(places, block.first_position):
        before = moves.get(aggregate_id, (StreamEntry(version),))[0]
        moves[aggregate_id] = (before, StreamEntry(version + 1, position, 1))
    log.put_body(block)
    return next_head if log.append(block, head, next_head, moves) else None


def filled(log: Log, blocks: int, size: int) -> Head:
    head = Head()
    for number in range(blocks):
        places = [(f"main/account-{n}", number + 1) for n in range(size)]
        grown = append(log, head, *places)
        assert grown is not None
        head = grown
    return head


def test_an_empty_log_has_a_head_at_position_0(log: Log) -> None:
    assert log.head() == Head()
    assert list(log.blocks(0)) == []
    assert log.streams(["main/account-a"]) == {}


def test_blocks_come_back_in_order_and_chained(log: Log) -> None:
    head = filled(log, blocks=5, size=3)
    blocks = list(log.blocks(0))
    assert [b.first_position for b in blocks] == [0, 3, 6, 9, 12]
    assert all(b.previous_hash == a.hash for a, b in pairwise(blocks))
    assert all(hash_of(block) == block.hash for block in blocks)
    assert log.head() == head == Head(15, blocks[-1].hash, head.lanes)


@pytest.mark.parametrize(("position", "first"), [(0, 0), (2, 0), (3, 3), (4, 3), (14, 12)])
def test_reading_begins_with_the_block_that_holds_the_position(
    log: Log, position: int, first: int
) -> None:
    filled(log, blocks=5, size=3)
    assert next(iter(log.blocks(position))).first_position == first
    assert len(list(log.blocks(position, limit=1))) == 1


def test_reading_beyond_the_end_gives_nothing(log: Log) -> None:
    filled(log, blocks=2, size=3)
    assert list(log.blocks(6)) == []


def test_the_registry_tells_where_each_stream_stands(log: Log) -> None:
    filled(log, blocks=2, size=2)
    expected = {
        "main/account-0": StreamEntry(3, 2, 1),
        "main/account-1": StreamEntry(3, 3, 1),
    }
    assert log.streams(["main/account-0", "main/account-1", "main/account-x"]) == expected
    assert dict(log.registry()) == expected


@pytest.mark.slow
def test_the_registry_answers_for_more_streams_than_one_call_takes(log: Log) -> None:
    filled(log, blocks=1, size=98)
    names = [f"main/account-{n}" for n in range(250)]
    assert len(log.streams(names)) == 98


def test_a_block_on_an_old_head_changes_nothing(log: Log) -> None:
    head = filled(log, blocks=1, size=1)
    assert append(log, Head(), ("main/account-z", 1)) is None
    assert log.head() == head
    assert len(list(log.blocks(0))) == 1
    assert log.streams(["main/account-z"]) == {}


def test_a_block_with_a_version_that_is_logged_changes_nothing(log: Log) -> None:
    head = filled(log, blocks=2, size=1)
    assert append(log, head, ("main/account-0", 2)) is None
    assert append(log, head, ("main/account-0", 4)) is None
    assert append(log, head, ("main/account-0", 1)) is None
    assert log.head() == head


def test_of_many_racing_blocks_one_wins(log: Log) -> None:
    def attempt(number: int) -> bool:
        return append(log, Head(), (f"main/account-{number}", 1)) is not None

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(attempt, range(16)))
    # DynamoDB may cancel every one of several conflicting transactions.
    assert sum(won) <= 1
    assert len(list(log.blocks(0))) == sum(won)
    assert len(dict(log.registry())) == sum(won)


def test_the_registry_keeps_how_far_a_stream_is_archived(log: Log) -> None:
    head = filled(log, blocks=2, size=1)
    stream = "main/account-0"
    assert log.mark_archived(stream, 0, 1)
    assert not log.mark_archived(stream, 0, 2)
    assert append(log, head, (stream, 3)) is not None
    assert log.streams([stream]) == {stream: StreamEntry(4, 2, 1, 1)}
    assert log.mark_archived(stream, 1, 0)
    assert log.mark_archived(stream, 0, 2)
    assert dict(log.registry()) == {stream: StreamEntry(4, 2, 1, 2)}


def test_the_registry_goes_on_behind_any_stream(log: Log) -> None:
    filled(log, blocks=1, size=9)
    streams = [stream for stream, _ in log.registry()]
    assert len(streams) == 9
    for index, stream in enumerate(streams):
        assert [found for found, _ in log.registry(stream)] == streams[index + 1 :]


@pytest.mark.parametrize("parts", [1, 2, 8, 13])
def test_the_parts_of_the_registry_are_the_whole_and_each_stream_is_in_one(
    log: Log, parts: int
) -> None:
    filled(log, blocks=1, size=30)
    whole = dict(log.registry())
    read = [list(log.registry(part=part, parts=parts)) for part in range(parts)]
    assert sum(map(len, read)) == len(whole) == 30
    assert dict(entry for entries in read for entry in entries) == whole
    # New streams come in between; those that were there stay where they were.
    head = log.head()
    assert append(log, head, *((f"main/account-x{number}", 1) for number in range(30))) is not None
    for part, before in enumerate(read):
        now = list(log.registry(part=part, parts=parts))
        assert [entry for entry in now if entry in before] == before
        # A reader goes on behind any stream of its part.
        for index, (stream, _) in enumerate(now):
            if index % 5 == 0:
                assert list(log.registry(stream, part=part, parts=parts)) == now[index + 1 :]


def test_an_unknown_stream_is_not_marked(log: Log) -> None:
    assert not log.mark_archived("main/account-z", 0, 1)
    assert log.streams(["main/account-z"]) == {}


def test_deleted_blocks_are_gone_and_the_head_stays(log: Log) -> None:
    head = filled(log, blocks=4, size=2)
    log.delete([0, 4, 400])
    assert [block.first_position for block in log.blocks(0)] == [2, 6]
    assert [block.first_position for block in log.blocks(5)] == [6]
    assert log.head() == head


def test_a_body_without_its_link_is_no_block(log: Log) -> None:
    head = filled(log, blocks=1, size=3)
    lost, _ = seal(head, [commit("main/account-0", 9, amount=n) for n in range(3)])
    log.put_body(lost)
    assert [block.first_position for block in log.blocks(0)] == [0]
    grown = append(log, head, *((f"main/account-{n}", 2) for n in range(3)))
    assert grown is not None
    _, second = log.blocks(0)
    assert second.hash == grown.hash != lost.hash
    assert [c.version for c in second.commits] == [2, 2, 2]


def test_a_body_that_is_put_twice_is_the_same(log: Log) -> None:
    """A relay whose put was not answered puts it again."""
    block, _ = seal(Head(), [commit(f"main/account-{n}") for n in range(3)])
    log.put_body(block)
    filled(log, blocks=1, size=3)
    log.put_body(block)
    assert list(log.blocks(0)) == [block]


@pytest.mark.slow
@pytest.mark.parametrize("size", [1, 2, 3, 98])
def test_a_block_comes_back_as_it_was_whatever_its_size(log: Log, size: int) -> None:
    head = filled(log, blocks=2, size=size)
    first, second = log.blocks(0)
    assert [len(first.commits), len(second.commits)] == [size, size]
    assert (first.categories, first.format) == (("account",), 1)
    assert hash_of(first) == first.hash == second.previous_hash
    assert hash_of(second) == second.hash == head.hash


def test_a_block_that_nobody_hears_comes_without_its_commits(log: Log) -> None:
    head = append(log, Head(), *((f"main/account-{n}", 1) for n in range(3)))
    assert head is not None
    head = append(log, head, *((f"main/transfer-{n}", 1) for n in range(3)))
    assert head is not None
    assert append(log, head, ("main/account-0", 2), ("main/transfer-0", 2)) is not None
    shown = [len(block.commits) for block in log.blocks(0, heard=["transfer"])]
    assert shown == [0, 3, 2]
    assert [len(block.commits) for block in log.blocks(0, heard=())] == [0, 0, 0]
    whole = [block.categories for block in log.blocks(0, heard=["account", "transfer"])]
    assert whole == [("account",), ("transfer",), ("account", "transfer")]


@pytest.mark.slow
def test_blocks_that_are_passed_over_hardly_count(log: Log) -> None:
    """Else a reader that hears little would go on by a few blocks a call."""
    filled(log, blocks=PASSED + 2, size=1)
    assert len(list(log.blocks(0, 1, heard=["transfer"]))) == PASSED
    assert len(list(log.blocks(0, 2, heard=["transfer"]))) == PASSED + 2
    assert len(list(log.blocks(0, 2, heard=["account"]))) == 2


@pytest.mark.parametrize("size", [1, 3])
def test_a_position_is_deleted_with_the_bodies_of_blocks_that_lost(log: Log, size: int) -> None:
    places = [(f"main/account-{n}", 1) for n in range(size)]
    lost, _ = seal(Head(), [commit(*place, amount=9, command_id="lost") for place in places])
    log.put_body(lost)
    head = append(log, Head(), *places)
    assert head is not None
    assert append(log, head, ("main/account-0", 2)) is not None
    log.delete([0])
    log.delete([0])
    assert [block.first_position for block in log.blocks(0)] == [size]
    assert left_at(log, 0) == []


def left_at(log: Log, position: int) -> list[str]:
    """The hashes of the bodies that are still stored under a position."""
    if isinstance(log, MemoryLog):
        return [hash_ for at, hash_ in log._bodies if at == position]
    assert isinstance(log, DynamoLog)
    return [key["hash"]["S"] for key in log._body_keys_at(position)]


@pytest.mark.parametrize("size", [1, 3])
def test_a_link_whose_body_is_deleted_is_left_out_and_can_still_be_deleted(
    log: Log, size: int
) -> None:
    """A delete that was killed leaves it so; its segment is listed by then."""
    filled(log, blocks=2, size=size)
    first, second = log.blocks(0)
    delete_bodies(log, 0)
    if size > 1 or isinstance(log, MemoryLog):
        assert list(log.blocks(0)) == [second]
    assert [block.first_position for block in log.blocks(0, heard=())] == [0, size]
    log.delete([first.first_position])
    assert [block.first_position for block in log.blocks(0, heard=())] == [size]


def delete_bodies(log: Log, position: int) -> None:
    if isinstance(log, MemoryLog):
        log._bodies = {key: body for key, body in log._bodies.items() if key[0] != position}
        return
    assert isinstance(log, DynamoLog)
    for key in log._body_keys_at(position):
        log._client.delete_item(TableName=log._bodies, Key=key)


NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SOON, LATER = NOON + timedelta(seconds=1), NOON + timedelta(seconds=2)


def logs(log: Log, head: Head, key: str = "z") -> bool:
    return append(log, head, (f"main/account-{key}", 1)) is not None


def test_who_has_claimed_the_head_alone_appends_to_it(log: Log) -> None:
    head = filled(log, blocks=1, size=1)
    claimed = log.claim("a", NOON, SOON)
    assert claimed == head._replace(claimed="a")
    assert log.head() == head
    assert not logs(log, head)
    assert not logs(log, head._replace(claimed="b"))
    assert logs(log, claimed)


def test_an_append_ends_the_claim(log: Log) -> None:
    filled(log, blocks=1, size=1)
    claimed = log.claim("a", NOON, LATER)
    assert claimed is not None
    assert logs(log, claimed)
    assert not logs(log, log.head()._replace(claimed="a"), "y")
    assert logs(log, log.head(), "y")
    assert log.claim("b", NOON, LATER) is not None


def test_a_claim_is_taken_over_once_it_has_ended_and_not_before(log: Log) -> None:
    filled(log, blocks=1, size=1)
    first = log.claim("a", NOON, SOON)
    assert first is not None
    assert log.claim("b", SOON, LATER) is None
    assert log.claim("a", SOON, SOON) == first
    second = log.claim("b", LATER, LATER)
    assert second is not None
    assert not logs(log, first)
    assert logs(log, second)


def test_an_empty_log_has_nothing_to_claim(log: Log) -> None:
    assert log.claim("a", NOON, SOON) == Head()
    assert logs(log, Head())


def test_segments_are_noted_once_and_found_by_position(log: Log) -> None:
    filled(log, blocks=1, size=2)
    first, second = (Segment(n, n + 10, f"k{n}", "h", f"l{n}", "i") for n in (0, 10))
    assert log.add_segment(second)
    assert log.add_segment(first)
    assert not log.add_segment(first._replace(next_position=12))
    assert list(log.segments()) == [first, second]
    found = [log.segment_with(position) for position in (0, 9, 10, 19, 20)]
    assert found == [first, first, second, second, None]
    assert len(list(log.blocks(0))) == 1


def test_a_log_is_mended_to_any_end(log: Log) -> None:
    head = filled(log, blocks=3, size=2)
    before = Head(4, list(log.blocks(0))[1].hash, head.lanes, head.format)
    log.delete([4])
    entry = StreamEntry(3, 2, 1, archived_through=1)
    log.mend(before, {"main/account-0": entry, "main/account-1": None})
    assert log.head() == before
    assert dict(log.registry()) == {"main/account-0": entry}
    grown = append(log, before, ("main/account-0", 3), ("main/account-1", 1))
    assert grown is not None
    assert [block.first_position for block in log.blocks(0)] == [0, 2, 4]
    assert log.streams(["main/account-0"])["main/account-0"] == StreamEntry(4, 4, 1, 1)
    log.delete([0, 2, 4])
    log.mend(Head(), dict.fromkeys(dict(log.registry())))
    assert (log.head(), dict(log.registry())) == (Head(), {})
    assert append(log, Head(), ("main/account-0", 1)) is not None

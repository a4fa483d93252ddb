"""What a newer engine stored is an error to this one, whatever it is, and stays as it was."""

import gzip
import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from chalicelib.leftfold.archive.epochs import Epochs, sha256
from chalicelib.leftfold.archive.segments import (
    pack_blocks,
    pack_live,
    unpack_blocks,
    unpack_live,
)
from chalicelib.leftfold.kernel import Archived, UnknownFormatError
from chalicelib.leftfold.kernel.commit import canonical
from chalicelib.leftfold.projection.documents import DynamoRows
from chalicelib.leftfold.projection.indexing import lines_of, row_of
from chalicelib.leftfold.projection.rows import NEVER, Save, StoredRow
from chalicelib.leftfold.store.blocks import seal
from chalicelib.leftfold.store.checkpoints import DynamoCheckpoints, DynamoParking
from chalicelib.leftfold.store.log import DynamoLog
from chalicelib.leftfold.store.memory import MemoryArchive
from chalicelib.leftfold.store.ports import Head, ParkedStream, Segment, StreamEntry
from tests.clock import Clock
from tests.commits import commit
from tests.contracts import moto
from tools.tables import create_tables, log_tables

A = "main/account-a"
LOADED = StoredRow({"n": 1}, 1)


class Stored(NamedTuple):
    """One of each that is stored, in tables."""

    stack: str
    client: Any
    log: DynamoLog
    checkpoints: DynamoCheckpoints
    parking: DynamoParking
    rows: DynamoRows

    def items(self, table: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.client.scan(TableName=f"{self.stack}-{table}")["Items"]
        return found

    def newer(self, table: str) -> None:
        """Every item of *table* is what a newer engine may have written."""
        for item in self.items(table):
            newer = item | {"format": {"N": "2"}, "colour": {"S": "red"}}
            self.client.put_item(TableName=f"{self.stack}-{table}", Item=newer)


@pytest.fixture
def stored() -> Iterator[Stored]:
    with moto.in_process():
        client = moto.client("dynamodb")
        stack = create_tables(client)
        stored = Stored(
            stack,
            client,
            DynamoLog(client, log_tables(stack)),
            DynamoCheckpoints(client, f"{stack}-view-checkpoints"),
            DynamoParking(client, f"{stack}-view-parked"),
            DynamoRows(client, f"{stack}-balances", Clock()),
        )
        block, head = seal(Head(), [commit(A)])
        assert stored.log.append(block, Head(), head, {A: (StreamEntry(), StreamEntry(2, 0))})
        assert stored.log.add_segment(Segment(0, 1, "k", "h", "l", "i"))
        assert stored.checkpoints.move("seen", 0, -1, 0)
        assert stored.parking.park("seen", A, ParkedStream(0, 0, "why"))
        assert stored.rows.save([Save(A, {"n": 1}, 1, NEVER)]) == set()
        yield stored


def logged(stored: Stored, before: StreamEntry) -> bool:
    head = Head(1, stored.items("log")[0].get("hash", {"S": ""})["S"])
    block, after = seal(head, [commit(A, 2)])
    return stored.log.append(block, head, after, {A: (before, StreamEntry(3, 1))})


@pytest.mark.parametrize(
    ("table", "work"),
    [
        ("log", lambda stored: stored.log.head()),
        ("log", lambda stored: list(stored.log.blocks(0))),
        ("log", lambda stored: list(stored.log.segments())),
        ("log", lambda stored: stored.log.segment_with(0)),
        ("streams", lambda stored: stored.log.streams([A])),
        ("streams", lambda stored: list(stored.log.registry())),
        ("view-checkpoints", lambda stored: stored.checkpoints.read("seen", [0])),
        ("view-checkpoints", lambda stored: stored.checkpoints.begin("seen", 0, 5)),
        ("view-parked", lambda stored: stored.parking.find("seen", [A])),
        ("view-parked", lambda stored: list(stored.parking.all())),
        ("balances", lambda stored: stored.rows.load([A])),
        ("balances", lambda stored: list(stored.rows.scan())),
        ("balances", lambda stored: stored.rows.save([Save(A, {"n": 2}, 2, LOADED)])),
        ("balances", lambda stored: stored.rows.save([Save(A, {"n": 2}, 2, None)])),
        ("balances", lambda stored: stored.rows.save([Save(A, None, 2, None)])),
    ],
)
def test_an_item_of_a_newer_format_is_an_error_and_stays_as_it_was(
    stored: Stored, table: str, work: Callable[[Stored], object]
) -> None:
    stored.newer(table)
    before = stored.items(table)
    with pytest.raises(UnknownFormatError, match=r"is of format 2: .* so a newer one is needed"):
        work(stored)
    assert stored.items(table) == before


def test_an_item_without_a_format_is_an_error() -> None:
    """Nothing that Leftfold wrote lacks one."""
    with pytest.raises(UnknownFormatError, match="is of format None"):
        row_of({"_source": {"key": A, "position": 1}, "_seq_no": 1, "_primary_term": 1})


def test_a_checkpoint_of_a_newer_format_does_not_move(stored: Stored) -> None:
    """It was read before a newer engine wrote it."""
    stored.newer("view-checkpoints")
    before = stored.items("view-checkpoints")
    assert not stored.checkpoints.move("seen", 0, 0, 1)
    assert stored.items("view-checkpoints") == before


def test_a_stream_whose_entry_is_of_a_newer_format_is_not_logged(stored: Stored) -> None:
    stored.newer("streams")
    before = stored.items("streams"), stored.items("log")
    assert not logged(stored, StreamEntry(2, 0))
    assert (stored.items("streams"), stored.items("log")) == before


def test_a_document_of_a_newer_format_is_an_error() -> None:
    source = json.loads(lines_of(Save(A, {"n": 1}, 1, NEVER), '{"n":1}', Clock()()).splitlines()[1])
    found = {"_source": source, "_seq_no": 1, "_primary_term": 1}
    assert row_of(found).row == {"n": 1}
    with pytest.raises(UnknownFormatError, match=f"the row {A} is of format 2"):
        row_of(found | {"_source": source | {"format": 2}})


def changed(packed: bytes, **members: Any) -> bytes:
    """An object of the archive, whose first line a newer engine wrote."""
    first, *rest = gzip.decompress(packed).decode().split("\n")
    return gzip.compress("\n".join([canonical(json.loads(first) | members), *rest]).encode())


@pytest.mark.parametrize("members", [{"format": 2}, {"colour": "red"}, {"format": 2, "x": 1}])
def test_a_line_of_the_archive_that_says_more_is_never_read_by_halves(
    members: dict[str, Any],
) -> None:
    block, _ = seal(Head(), [commit(A)])
    with pytest.raises(UnknownFormatError, match="the archived block at 0"):
        unpack_blocks(changed(pack_blocks([block]), **members))
    with pytest.raises(UnknownFormatError, match="the remainder's line of position 7"):
        unpack_live(changed(pack_live([(7, commit(A))]), **members))


def test_a_remainder_of_which_nothing_is_live_has_no_line() -> None:
    assert unpack_live(pack_live([])) == []


@pytest.mark.parametrize(
    "page", [{"format": 2, "entries": []}, [], {"format": 1, "entries": [], "colour": "red"}]
)
def test_a_page_of_a_manifest_of_a_newer_format_is_an_error(page: Any) -> None:
    archive, data = MemoryArchive(), canonical(page).encode()
    assert archive.put("manifests/page", data)
    epochs = Epochs(archive)
    archived = Archived(1, "manifests/page", sha256(data))
    with pytest.raises(UnknownFormatError, match="manifests/page is of format"):
        list(epochs.parts(A, archived, lambda _: True))


def test_a_parked_stream_refers_to_commits_and_keeps_none(stored: Stored) -> None:
    """A copy could be neither upcast nor forgotten."""
    (item,) = stored.items("view-parked")
    assert item.keys() == {"reader", "aggregateId", "first", "last", "reason", "format"}

"""What Athena is told of the archive's objects is what they hold."""

import json
import re
from pathlib import Path

import pytest

from chalicelib.leftfold.archive.epochs import folder, lines_of
from chalicelib.leftfold.archive.segments import pack_blocks
from chalicelib.leftfold.store.blocks import seal
from chalicelib.leftfold.store.ports import Head
from tests.commits import commit

ATHENA = Path(__file__).parents[2] / "infra" / "athena"


def keys_of_an_epoch() -> set[str]:
    """Those of a copy: it has two more than a commit."""
    origin = ("main/account-b", 1)
    return set(json.loads(commit(root=origin, source=origin).line))


def keys_of_a_segment() -> set[str]:
    block, _ = seal(Head(), [commit()])
    (line,) = lines_of(pack_blocks([block]))
    return set(json.loads(line))


@pytest.mark.parametrize(
    ("table", "keys"), [("epochs", keys_of_an_epoch()), ("segments", keys_of_a_segment())]
)
def test_the_columns_are_the_keys_of_a_line(table: str, keys: set[str]) -> None:
    text = (ATHENA / f"{table}.sql").read_text()
    columns = re.findall(r"^  (\w+) ", text, re.MULTILINE)
    assert len(columns) == len(set(columns))
    assert set(columns) == {key.lower() for key in keys}
    assert f"LOCATION 's3://ARCHIVE/{table}/'" in text


def test_the_partitions_are_those_of_the_keys() -> None:
    text = (ATHENA / "epochs.sql").read_text()
    (partitions,) = re.findall(r"PARTITIONED BY \((.*)\)", text)
    names = [declared.split()[0] for declared in partitions.split(", ")]
    assert names == ["tenant", "category"]
    assert folder("main/account-a") == "epochs/tenant=main/category=account/a"

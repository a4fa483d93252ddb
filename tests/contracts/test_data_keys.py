"""What every table of data keys promises."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from chalicelib.leftfold.subjects.dynamo import DynamoKeys
from chalicelib.leftfold.subjects.keys import DataKey, DataKeys, Erasure, Part
from chalicelib.leftfold.subjects.memory import MemoryKeys
from tools.tables import create_tables, dynamodb_client

ADA, BOB = "main/account:a", "main/account:b"
ERASURE = Erasure(ADA, "2026-01-01T00:00:00.000Z", "operator:eve", "she asked")


@pytest.fixture(
    params=["memory", pytest.param("dynamodb", marks=pytest.mark.engine("dynamodb_local"))]
)
def keys(request: pytest.FixtureRequest) -> DataKeys:
    if request.param == "memory":
        return MemoryKeys()
    client = dynamodb_client(request.getfixturevalue("dynamodb_local"))
    return DynamoKeys(client, f"{create_tables(client)}-subjects")


def test_a_subject_keeps_the_first_key_that_it_gets(keys: DataKeys) -> None:
    assert keys.find([ADA]) == {}
    assert keys.add(ADA, b"first") == DataKey(b"first")
    assert keys.add(ADA, b"second") == DataKey(b"first")
    keys.add(BOB, b"other")
    assert keys.find([ADA, BOB, "main/account:c"]) == {
        ADA: DataKey(b"first"),
        BOB: DataKey(b"other"),
    }


def test_a_stage_has_one_wrapping_key(keys: DataKeys) -> None:
    assert keys.wrapping_key() is None
    assert keys.wrapping_key(b"first") == b"first"
    assert keys.wrapping_key(b"second") == b"first"
    assert keys.wrapping_key() == b"first"


def test_the_streams_of_a_subject_are_noted_once_each(keys: DataKeys) -> None:
    keys.add(ADA, b"key")
    for stream in ("main/transfer-2", "main/transfer-1", "main/transfer-2"):
        keys.add_stream(ADA, stream)
    keys.add_stream(BOB, "main/transfer-3")
    assert sorted(keys.streams(ADA)) == ["main/transfer-1", "main/transfer-2"]
    assert list(keys.streams("main/account:c")) == []


def test_an_erasure_takes_the_key_and_lets_none_come_after_it(keys: DataKeys) -> None:
    keys.add(ADA, b"key")
    assert keys.erasure(ADA) is None
    assert keys.erase(ERASURE) == ERASURE
    assert keys.find([ADA]) == {ADA: DataKey(None)}
    assert keys.add(ADA, b"another") == DataKey(None)
    assert keys.erasure(ADA) == ERASURE


def test_of_two_erasures_the_first_one_stands(keys: DataKeys) -> None:
    keys.add(ADA, b"key")
    keys.erase(ERASURE)
    assert keys.erase(ERASURE._replace(by="operator:mallory", at="later")) == ERASURE
    assert keys.erasure(ADA) == ERASURE


def test_of_whom_nothing_is_held_there_is_nothing_to_erase(keys: DataKeys) -> None:
    assert keys.erase(ERASURE) is None
    assert keys.add(ADA, b"key") == DataKey(b"key")
    assert list(keys.unfinished()) == []


def test_an_erasure_is_unfinished_until_it_has_a_report(keys: DataKeys) -> None:
    for subject in (ADA, BOB):
        keys.add(subject, b"key")
        keys.erase(ERASURE._replace(subject=subject))
    assert sorted(e.subject for e in keys.unfinished()) == [ADA, BOB]
    keys.finish(ADA, {"rows": 2})
    keys.finish(ADA, {"rows": 0})
    assert [e.subject for e in keys.unfinished()] == [BOB]
    assert keys.erasure(ADA) == ERASURE._replace(report={"rows": 2})


def test_of_many_that_add_a_key_at_once_one_wins(keys: DataKeys) -> None:
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda n: keys.add(ADA, bytes([n])), range(8)))
    assert len({key.wrapped for key in found}) == 1


def test_no_key_survives_an_erasure_that_races_with_it(keys: DataKeys) -> None:
    keys.add(ADA, b"key")
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda n: keys.erase(ERASURE) if n % 2 else keys.add(ADA, b"x"), range(8)))
    assert keys.find([ADA]) == {ADA: DataKey(None)}


def test_it_knows_the_applications_that_an_erasure_waits_for(keys: DataKeys) -> None:
    for name in ("green", "blue", "green"):
        keys.join(name)
    assert keys.applications() == ["blue", "green"]
    keys.leave("green")
    keys.leave("nobody")
    assert keys.applications() == ["blue"]


def test_it_keeps_how_far_each_application_is_with_each_erasure(keys: DataKeys) -> None:
    keys.add(ADA, b"key")
    assert keys.parts(ADA) == {}
    at = "2026-01-01T00:00:00.000Z"
    first, last = Part(None, {}), Part("main/transfer-2", {"rows": 2}, at, finished=True)
    keys.keep_part(ADA, "blue", first)
    keys.keep_part(ADA, "green", first)
    keys.keep_part(ADA, "blue", last)
    keys.keep_part(BOB, "blue", first)
    assert keys.parts(ADA) == {"blue": last, "green": first}
    assert list(keys.streams(ADA)) == []
    assert keys.find([ADA]) == {ADA: DataKey(b"key")}

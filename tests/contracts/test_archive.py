"""What every archive promises."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from uuid import uuid4

import pytest

from chalicelib.leftfold.archive.s3 import S3Archive
from chalicelib.leftfold.store.memory import MemoryArchive
from chalicelib.leftfold.store.ports import Archive, Unavailable
from tools.cloud import Cloud


@pytest.fixture(scope="module")
def s3(ministack: str) -> S3Archive:
    client = Cloud(ministack).client("s3")
    client.create_bucket(Bucket="archive")
    return S3Archive(lambda: client, "archive")


@pytest.fixture(params=["memory", pytest.param("s3", marks=pytest.mark.engine("ministack"))])
def archive(request: pytest.FixtureRequest) -> Archive:
    if request.param == "memory":
        return MemoryArchive()
    stored: S3Archive = request.getfixturevalue("s3")
    return stored


@pytest.fixture
def key() -> str:
    return f"epochs/tenant=main/category=account/{uuid4()}/000001-1-2.jsonl.gz"


def test_an_object_comes_back_as_it_was_put(archive: Archive, key: str) -> None:
    data = bytes(range(256)) * 100
    assert archive.put(key, data)
    assert archive.get(key) == data


def test_what_was_never_put_is_not_there(archive: Archive, key: str) -> None:
    assert archive.get(key) is None


def test_an_object_is_never_written_over(archive: Archive, key: str) -> None:
    archive.put(key, b"first")
    assert not archive.put(key, b"second")
    assert not archive.put(key, b"first")
    assert archive.get(key) == b"first"


def test_of_many_racing_writers_one_wins(archive: Archive, key: str) -> None:
    rivals = [f"{number}".encode() for number in range(16)]
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(partial(archive.put, key), rivals))
    assert won.count(True) == 1
    assert archive.get(key) == rivals[won.index(True)]


def test_an_archive_that_does_not_answer_is_unavailable() -> None:
    client = Cloud("http://127.0.0.1:9").client("s3")
    with pytest.raises(Unavailable):
        S3Archive(lambda: client, "archive").get("key")

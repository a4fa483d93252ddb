"""What the archive makes of answers that the engines' S3 never gives."""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse

from chalicelib.leftfold.archive.s3 import S3Archive
from chalicelib.leftfold.store.ports import CallRefusedError, Unavailable
from tests.contracts import moto


class Refusing:
    """An S3 that answers each request with one error."""

    def __init__(self, code: str, status: int) -> None:
        self.status = status
        self.body = f"<Error><Code>{code}</Code><Message>m</Message></Error>".encode()

    def __call__(self, request: Any, **_: Any) -> Any:
        headers: Any = {}
        answer: Any = AWSResponse(request.url, self.status, headers, None)
        answer._content = self.body
        return answer


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    with moto.in_process():
        client = moto.client("s3")
        monkeypatch.setattr(client._endpoint, "_needs_retry", lambda *_, **__: False)
        yield client


@pytest.fixture
def refuse(client: Any) -> Iterator[Any]:
    registered: list[Refusing] = []

    def refuse(code: str, status: int) -> S3Archive:
        refusing = Refusing(code, status)
        client.meta.events.register_first("before-send.s3", refusing)
        registered.append(refusing)
        return S3Archive(lambda: client, "archive")

    yield refuse
    for each in registered:
        client.meta.events.unregister("before-send.s3", each)


def test_an_object_that_is_there_is_told(refuse: Any) -> None:
    assert refuse("PreconditionFailed", 412).put("key", b"") is False


def test_another_writer_at_the_same_key_leaves_it_open_who_won(refuse: Any) -> None:
    """S3 answers 409 while a write of the key is under way: it may yet fail."""
    with pytest.raises(Unavailable, match="ConditionalRequestConflict"):
        refuse("ConditionalRequestConflict", 409).put("key", b"")


@pytest.mark.parametrize(("code", "status"), [("AccessDenied", 403), ("NoSuchBucket", 404)])
def test_a_mistake_of_ours_is_no_object_that_is_there_nor_one_that_is_not(
    refuse: Any, code: str, status: int
) -> None:
    archive = refuse(code, status)
    with pytest.raises(CallRefusedError, match=code):
        archive.put("key", b"")
    with pytest.raises(CallRefusedError, match=code):
        archive.get("key")


def test_a_server_that_fails_is_unavailable(refuse: Any) -> None:
    archive = refuse("InternalError", 500)
    with pytest.raises(Unavailable):
        archive.put("key", b"")
    with pytest.raises(Unavailable):
        archive.get("key")

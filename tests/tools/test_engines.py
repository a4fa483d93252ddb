import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import boto3
import httpx
import pytest

from tools.bootstrap import ROOT
from tools.engines import DynamoDBLocal, EngineError, OpenSearch, PortTakenError, jars
from tools.engines.engine import SUPERVISE, Engine, Launch
from tools.engines.jars import Jar
from tools.engines.npm import NpmPackage


class Program(Engine):
    """Any program in an engine's place."""

    name = "Program"
    slug = "program"
    code = "import time; time.sleep(60)"

    def install(self) -> None:
        pass

    def launch(self) -> Launch:
        return Launch([sys.executable, "-c", self.code, str(self.port)])


class Server(Program):
    code = "import http.server as h, sys; h.test(h.SimpleHTTPRequestHandler, port=int(sys.argv[1]), bind='127.0.0.1')"


class Broken(Program):
    code = "raise SystemExit('no')"


class StubbornServer(Program):
    """Ignores SIGTERM and has a child that does so too."""

    code = (
        "import os, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        f"os.fork() or time.sleep(60); {Server.code}"
    )


def test_a_row_survives_the_round_trip_to_dynamodb_local(dynamodb_local: str) -> None:
    client = boto3.client(
        "dynamodb",
        endpoint_url=dynamodb_local,
        region_name="eu-central-1",
        aws_access_key_id="local",
        aws_secret_access_key="local",  # noqa: S106 - engines take any
    )
    client.create_table(
        TableName="round-trip",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    client.put_item(TableName="round-trip", Item={"id": {"S": "a"}, "n": {"N": "1"}})

    assert client.get_item(TableName="round-trip", Key={"id": {"S": "a"}})["Item"] == {
        "id": {"S": "a"},
        "n": {"N": "1"},
    }


def test_a_document_is_found_in_opensearch(opensearch: str) -> None:
    httpx.put(
        f"{opensearch}/round-trip/_doc/1?refresh=true", json={"purpose": "rent"}, timeout=120
    ).raise_for_status()

    found = httpx.get(
        f"{opensearch}/round-trip/_search", params={"q": "purpose:rent"}, timeout=120
    ).json()

    assert found["hits"]["total"]["value"] == 1


@pytest.mark.parametrize(
    ("call", "body"),
    [
        ("_bulk", '{"index": {"_index": "other", "_id": "1"}}\n{"n": 1}\n'),
        ("_mget", '{"docs": [{"_index": "other", "_id": "1"}]}'),
        ("_msearch", '{"index": "other"}\n{"query": {"match_all": {}}}\n'),
    ],
)
def test_a_body_cannot_name_another_index_than_the_path(
    opensearch: str, call: str, body: str
) -> None:
    """IAM knows a request by its path alone."""
    lines = {"Content-Type": "application/x-ndjson"}
    answer = httpx.post(f"{opensearch}/own/{call}", content=body, headers=lines, timeout=120)

    assert answer.status_code == 400
    assert "explicit index in" in answer.text
    assert httpx.head(f"{opensearch}/other", timeout=120).status_code == 404


def test_a_record_survives_the_round_trip_to_kinesis_local(kinesis_local: str) -> None:
    client = boto3.client(
        "kinesis",
        endpoint_url=kinesis_local,
        region_name="eu-central-1",
        aws_access_key_id="local",
        aws_secret_access_key="local",  # noqa: S106 - engines take any
    )
    client.create_stream(StreamName="round-trip", ShardCount=1)
    client.get_waiter("stream_exists").wait(StreamName="round-trip", WaiterConfig={"Delay": 1})
    shard = client.put_record(StreamName="round-trip", Data=b"fact", PartitionKey="0")["ShardId"]
    start = client.get_shard_iterator(
        StreamName="round-trip", ShardId=shard, ShardIteratorType="TRIM_HORIZON"
    )

    records = client.get_records(ShardIterator=start["ShardIterator"])["Records"]

    assert [record["Data"] for record in records] == [b"fact"]


@pytest.mark.engine("dynamodb_local")
def test_a_taken_port_is_named_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        with pytest.raises(PortTakenError) as caught:
            DynamoDBLocal(port).start()

    assert str(caught.value) == (
        f"DynamoDB Local: port {port} is taken; stop the program that listens there or choose another port"
    )


@pytest.mark.engine("opensearch")
def test_a_port_that_opensearch_cannot_use_is_refused() -> None:
    with pytest.raises(EngineError, match="port 8080 cannot be used; choose one of 9201 to 9299"):
        OpenSearch(8080).start()


@pytest.mark.engine("opensearch")
def test_opensearch_is_launched_where_a_killed_one_has_left_its_settings() -> None:
    engine = OpenSearch()
    try:
        assert engine.launch() == engine.launch()
    finally:
        shutil.rmtree(engine.scratch)


def test_an_engine_that_dies_points_to_its_log() -> None:
    engine = Broken()

    with pytest.raises(
        EngineError,
        match=rf"Program: ended while starting; the end of {engine.log.relative_to(ROOT)}",
    ):
        engine.start()

    assert engine.log.read_text() == "no\n"


def test_an_engine_that_is_never_ready_is_ended() -> None:
    engine = Program(ready_within=0.3)

    with pytest.raises(EngineError, match=r"Program: not ready after 0\.3 s"):
        engine.start()

    assert not engine.is_running()


def test_stop_frees_the_port_and_removes_the_scratch_folder() -> None:
    with Server() as engine:
        assert engine.scratch.exists()

    assert not engine.is_running()
    assert not engine.scratch.exists()
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", engine.port)) != 0


def test_what_an_engine_leaves_is_removed_after_its_end_with_what_a_killed_one_had_left(
    tmp_path: Path,
) -> None:
    scratch, left = tmp_path / "program-1", tmp_path / "program-2.gone-7"
    for folder in (scratch, left):
        folder.mkdir()
        (folder / "file").write_text("data")
    subprocess.run(
        [sys.executable, "-I", "-S", str(SUPERVISE), str(scratch), sys.executable, "-c", ""],
        stdin=subprocess.PIPE,
        check=False,
    )
    assert not scratch.exists()
    assert eventually(lambda: not list(tmp_path.iterdir()))


@pytest.mark.slow
def test_stop_ends_a_program_and_its_child_that_ignore_sigterm() -> None:
    with StubbornServer() as engine:
        pass

    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", engine.port)) != 0


@pytest.mark.slow
def test_an_engine_does_not_outlive_a_starter_that_is_killed() -> None:
    code = (
        "from tests.tools.test_engines import Server; engine = Server(); engine.start();"
        "print(engine.port, flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as starter:
        assert starter.stdout is not None
        port = int(starter.stdout.readline())

        starter.send_signal(signal.SIGKILL)

    assert eventually(lambda: is_closed(port))


def test_an_engine_sees_no_credentials_of_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")

    class Telling(Server):
        code = f"import os; print(sorted(os.environ), flush=True); {Server.code}"

    with Telling() as engine:
        assert "AWS_SECRET_ACCESS_KEY" not in engine.log.read_text()
        assert "PATH" in engine.log.read_text()


def test_a_jar_that_is_not_the_locked_one_is_refused(tmp_path: Path) -> None:
    jar = Jar("org.example:thing:1.0", "0" * 64)
    (tmp_path / jar.path).parent.mkdir(parents=True)
    (tmp_path / jar.path).write_bytes(b"something else")

    with pytest.raises(
        EngineError, match=r"OpenSearch: org\.example:thing:1\.0 is not the file that was locked"
    ):
        jars.provide("OpenSearch", [jar], lambda _: None, tmp_path)


@pytest.mark.slow
def test_an_npm_package_that_is_not_the_locked_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text('{"name": "thing", "version": "1.0.0"}')
    package = NpmPackage(str(tmp_path), "sha512-of-something-else", tmp_path / "engines" / "thing")

    with pytest.raises(EngineError, match="is not the package that was locked"):
        package.install()
    assert not package.installed.exists()


def test_an_npm_package_that_cannot_be_had_is_told_of(tmp_path: Path) -> None:
    package = NpmPackage(str(tmp_path / "none"), "sha512-", tmp_path / "engines" / "none")

    with pytest.raises(EngineError, match="could not be downloaded"):
        package.install()


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("org.example:thing:1.0", "org/example/thing/1.0/thing-1.0.jar"),
        ("org.example:thing:so:1.0", "org/example/thing/1.0/thing-1.0.so"),
        ("org.example:thing:jar:linux:1.0", "org/example/thing/1.0/thing-1.0-linux.jar"),
    ],
)
def test_a_jar_lies_where_maven_keeps_it(name: str, path: str) -> None:
    assert Jar(name, "").path == Path(path)


def is_closed(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def eventually(fact: Callable[[], bool], within: float = 120) -> bool:
    deadline = time.monotonic() + within
    while not fact():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True

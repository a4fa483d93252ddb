import re
import socket
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from tests.tools.bank.bank_files import bank_file
from tools import last_deployment
from tools.__main__ import leftfold
from tools.engines import Engine, MiniStack, OpenSearch
from tools.engines.engine import free_port
from tools.last_deployment import Current, forget, recall, remember


@pytest.mark.parametrize("command", sorted(leftfold.commands))
def test_every_command_explains_itself(command: str) -> None:
    shown = CliRunner().invoke(leftfold, [command, "--help"])

    assert shown.exit_code == 0
    options = [p for p in leftfold.commands[command].params if isinstance(p, click.Option)]
    assert all(option.help for option in options)


def test_all_commands_are_listed() -> None:
    shown = CliRunner().invoke(leftfold, ["--help"]).output

    assert set(re.findall(r"^  ([\w-]+)  ", shown, re.MULTILINE)) == set(leftfold.commands)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["import", "FILE", "--url", "http://127.0.0.1:9"], "has no column balance_after"),
        (["deploy", "--stage", "moon"], "no stage 'moon' in infra/stages.toml"),
        (["deploy", "--endpoint-url", "http://127.0.0.1:9"], "http://127.0.0.1:9 does not answer"),
        (["status", "--stack", "x", "--endpoint-url", "http://127.0.0.1:9"], "does not answer"),
        (
            ["run", "--port", "0", "--search-port", "80"],
            "port 80 cannot be used; choose one of 9201 to 9299",
        ),
    ],
)
def test_what_goes_wrong_is_told_in_one_line(
    tmp_path: Path, arguments: list[str], line: str
) -> None:
    file = bank_file(tmp_path, header="transaction_id,account_id,date,direction,operation,amount")
    given = [str(file) if argument == "FILE" else argument for argument in arguments]

    done = CliRunner().invoke(leftfold, given)

    assert done.exit_code == 1
    (shown,) = [text for text in done.stderr.splitlines() if text.startswith("Error: ")]
    assert line in shown


@pytest.mark.parametrize(
    ("engine", "option", "other"),
    [(OpenSearch, "--search-port", None), (MiniStack, "--port", OpenSearch)],
)
def test_a_port_that_is_taken_is_told_at_once(
    engine: type[Engine], option: str, other: type[Engine] | None
) -> None:
    # A test beside this one may have an engine at the usual port.
    free = ["--search-port", str(free_port(other.ports))] if other else []
    with socket.create_server(("127.0.0.1", free_port(engine.ports))) as taken:
        port = taken.getsockname()[1]

        done = CliRunner().invoke(leftfold, ["run", option, str(port), *free])

    assert done.exit_code == 1
    assert done.stderr.strip().endswith(
        f"{engine.name}: port {port} is taken; stop the program that listens there"
        " or choose another port"
    )


def test_without_a_deployment_the_cure_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(last_deployment, "WHERE", tmp_path / "none.json")

    done = CliRunner().invoke(leftfold, ["status"])

    assert done.exit_code == 1
    assert "start one with `make run` in another terminal" in done.stderr


def test_the_newest_deployment_is_remembered_until_it_is_forgotten(tmp_path: Path) -> None:
    where = tmp_path / "state" / "deployed.json"
    deployed = Current("leftfold-dev", "http://x", "http://y")

    remember(deployed, where)
    assert recall(where) == deployed

    forget(where)
    with pytest.raises(last_deployment.NoDeploymentError):
        recall(where)

"""A recorded run: python -m tests.tools.two_stages [--first STAGE].

Two stages beside each other on MiniStack and OpenSearch, made, used and destroyed by the commands that
a team types: `trial` by Chalice, `beside` by CloudFormation. While one is destroyed, the other serves.
MiniStack makes no route of an API that Chalice imports, so the function of `trial` is invoked with what
API Gateway would send it; tests/tools/test_chalice.py looks at the routes, on moto.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import httpx
from rich.console import Console
from rich.table import Table

from tests.http.gateway import Gateway
from tests.http.samples import booking, opening
from tests.tree import copied
from tools.bootstrap import STATE
from tools.cloud import LOCAL_REGION, Cloud
from tools.deploy import find
from tools.engines import MiniStack, OpenSearch
from tools.signing_in import token

STAGES = CHALICE, CLOUDFORMATION = "trial", "beside"
# Lambda has these itself.
LAMBDAS_OWN = {"boto3", "botocore", "s3transfer"}
# Seconds for a view to show a command.
PATIENCE = 180.0

# Asks a stage: method, path, body, Idempotency-Key; gives status and JSON.
Ask = Callable[[str, str, Any, str], tuple[int, Any]]


def tree_of_two(root: Path) -> None:
    """A team's tree at *root*, with two stages besides those that there are."""
    copied(root)
    for name in ("build", "console", "browser", "engines"):
        if (STATE / name).exists():
            (root / ".leftfold" / name).symlink_to(STATE / name)
    file = root / "infra/stages.toml"
    text = file.read_text()
    dev = text.partition("\n[dev]\n")[2].partition("\n[")[0]
    theirs = dev.replace('way = "cloudformation"', 'way = "chalice"')
    file.write_text(f"{text}\n[{CHALICE}]\n{theirs}\n[{CLOUDFORMATION}]\n{dev}\n")


@contextmanager
def without_lambdas_own(root: Path) -> Iterator[None]:
    """The requirements without what Lambda has, so that Chalice sends it not for each function."""
    file = root / "requirements.txt"
    text = file.read_text()
    pinned = re.findall(r"^([\w.-]+)==([\w.]+)", text, re.MULTILINE)
    file.write_text(
        "".join(f"{name}=={version}\n" for name, version in pinned if name not in LAMBDAS_OWN)
    )
    try:
        yield
    finally:
        file.write_text(text)


def sent(ask: Ask, path: str, body: Any, key: str) -> Any:
    """The answer to a command, which is sent again where nobody can say what has become of it."""
    until = time.monotonic() + PATIENCE
    while (answer := ask("POST", path, body, key))[0] in {429, 503} and time.monotonic() < until:
        time.sleep(1)
    if answer[0] not in {200, 201}:
        raise SystemExit(f"{path} is {answer}")
    return answer[1]


@dataclass
class Team:
    """Types commands in a tree, and uses its two stages."""

    root: Path
    url: str
    console: Console
    steps: list[tuple[str, float, str]] = field(default_factory=list)
    credits: Counter[str] = field(default_factory=Counter)

    def leftfold(self, *words: str, fails: str = "") -> str:
        """A command of ours; what it said. If it *fails*, it must say so."""
        command = [sys.executable, "-m", "tools", *words]
        if words[0] != "resources":
            command += ["--endpoint-url", self.url]
        return self.run(f"leftfold {' '.join(words)}", command, fails)

    def chalice(self, word: str) -> None:
        """A command of Chalice's."""
        command = [str(Path(sys.executable).with_name("chalice")), word, "--stage", CHALICE]
        with without_lambdas_own(self.root):
            self.run(f"chalice {word} --stage {CHALICE}", command)

    def run(self, said: str, command: Sequence[str], fails: str = "") -> str:
        began = time.monotonic()
        done = subprocess.run(
            command,
            check=False,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=self.root,
            env={**os.environ, **self.environment},
        )
        is_right = bool(done.returncode) == bool(fails) and fails in done.stdout
        if not is_right:
            raise SystemExit(f"{said}: {done.returncode}\n{done.stdout}")
        self.note(said, began, "refused" if fails else "done")
        return done.stdout

    @property
    def environment(self) -> Mapping[str, str]:
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_DEFAULT_REGION": LOCAL_REGION,
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
        }

    def note(self, said: str, began: float, result: str) -> None:
        """Notes a step, and shows it."""
        self.steps.append((said, time.monotonic() - began, result))
        self.console.print(f"{self.steps[-1][1]:6.0f} s  {said}: {result}", soft_wrap=True)

    def asking(self, stage: str) -> Ask:
        """How a stage is asked."""
        stack, cloud = f"leftfold-{stage}", Cloud(self.url)
        deployed = find(stack, cloud, self.root)
        bearer = token(deployed, self.url)
        if stage == CHALICE:
            gateway, functions = Gateway(bearer), cloud.client("lambda")

            def invoke(method: str, path: str, body: Any, key: str) -> tuple[int, Any]:
                raw = None if body is None else json.dumps(body).encode()
                headers = (
                    {"content-type": "application/json", "Idempotency-Key": key} if key else {}
                )
                event = gateway.event(method, path, raw, headers)
                made = functions.invoke(FunctionName=stack, Payload=json.dumps(event))
                answer = json.load(made["Payload"])
                return answer.get("statusCode", 0), json.loads(answer.get("body") or "null")

            return invoke

        def send(method: str, path: str, body: Any, key: str) -> tuple[int, Any]:
            address = f"{deployed.url.rstrip('/')}{path}"
            headers = {"Authorization": f"Bearer {bearer}"}
            headers |= {"Idempotency-Key": key} if key else {}
            with httpx.Client(timeout=120, trust_env=False) as client:
                answer = client.request(method, address, json=body, headers=headers)
            return answer.status_code, answer.json()

        return send

    def use(self, stage: str, when: str) -> None:
        """A command to a stage; its account and its list of bookings show it and all before it."""
        began, ask = time.monotonic(), self.asking(stage)
        if not self.credits[stage]:
            sent(ask, "/accounts", opening(accountId="a"), "open")
        self.credits[stage] += 1
        many = self.credits[stage]
        made = sent(ask, "/accounts/a/credits", booking("1.00"), f"credit-{many}")
        at = f"minVersion={made['version']}"
        looks: list[tuple[str, Callable[[Any], bool]]] = [
            (f"/accounts/a?{at}", lambda shown: shown["balance"]["amount"] == f"{many}.00"),
            (f"/bookings?account=a&{at}", lambda shown: shown["total"] == many),
        ]
        for path, shows in looks:
            until = time.monotonic() + PATIENCE
            while not ((answer := ask("GET", path, None, ""))[0] == 200 and shows(answer[1])):
                if time.monotonic() > until:
                    raise SystemExit(f"{stage}, {when}: {path} is {answer}")
                time.sleep(0.5)
        self.note(f"a command to {stage} and its rows, {when}", began, f"balance {many}.00")

    def is_gone(self, stage: str) -> None:
        """Nothing is left of a stage."""
        began, cloud = time.monotonic(), Cloud(self.url)
        functions = cloud.client("lambda").get_paginator("list_functions").paginate()
        tables = cloud.client("dynamodb").get_paginator("list_tables").paginate()
        roles = cloud.client("iam").get_paginator("list_roles").paginate()
        names = [
            *(each["FunctionName"] for page in functions for each in page["Functions"]),
            *(name for page in tables for name in page["TableNames"]),
            *(each["RoleName"] for page in roles for each in page["Roles"]),
            *(each["Name"] for each in cloud.client("s3").list_buckets()["Buckets"]),
        ]
        left = [name for name in names if name.startswith(f"leftfold-{stage}")]
        if left:
            raise SystemExit(f"of {stage} there is still {', '.join(left)}")
        self.note(f"functions, tables, roles and buckets of {stage}", began, "none is left")

    def play(self, first: str) -> None:
        """The whole life of two stages, of which *first* ends first."""
        self.leftfold("resources")
        self.leftfold("provision", "--stage", CHALICE, "--yes")
        self.chalice("deploy")
        # MiniStack's import makes no routes, so none is led to the feed; all else is set.
        self.leftfold("provision", "--stage", CHALICE, "--after", fails="the API has no")
        self.leftfold("deploy", "--stage", CLOUDFORMATION, "--yes")
        for stage in STAGES:
            self.use(stage, "beside the other")
        (second,) = set(STAGES) - {first}
        self.end(first, second)
        self.end(second)

    def end(self, stage: str, other: str = "") -> None:
        """The end of a stage: of its application, then of its truth; *other* serves on."""
        name = f"leftfold-{stage}"
        if stage == CHALICE:
            self.leftfold("destroy", "--stage", stage, fails="chalice delete")
            self.chalice("delete")
        self.leftfold("destroy", "--stage", stage)
        if other:
            self.use(other, f"without the application of {stage}")
        truth = ("destroy", "--stage", stage, "--truth", "--really")
        self.leftfold(*truth, f"{name}-other", fails="--truth deletes every event")
        self.leftfold(*truth, name)
        self.is_gone(stage)
        if other:
            self.use(other, f"without the truth of {stage}")


@click.command()
@click.option("--first", type=click.Choice(STAGES), default=CHALICE, show_default=True)
def main(*, first: str) -> None:
    """Make two stages, use them, and destroy one while the other serves; exit 1 if it is disturbed."""
    console = Console()
    with ExitStack() as started:
        root = Path(started.enter_context(tempfile.TemporaryDirectory())) / "team"
        tree_of_two(root)
        search = OpenSearch()
        services = MiniStack(opensearch=search.endpoint)
        started.callback(search.stop)
        started.callback(services.stop)
        services.start()
        search.start()
        team = Team(root, services.url, console)
        team.play(first)
        table = Table("step", "seconds", "result")
        for said, seconds, result in team.steps:
            table.add_row(said, f"{seconds:.0f}", result)
        console.print(table)


if __name__ == "__main__":
    main()

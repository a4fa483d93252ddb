"""A recorded run: python -m tests.http.first_answers [--turns N] [--before FOLDER].

What the first answer of a new process of the API takes, in milliseconds of a processor: processes of the
package alone, each with one request, which a role has signed. Memory stands for the tables. With the
unpacked package of another version in a folder, both are measured in turns, so that the ratios count
whatever else the machine does.
"""

import json
import subprocess
import sys
import tempfile
import zipfile
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from tools.package import package

# Its arguments: the folder of the package, and a request: method, resource, path, its parts, body.
SERVE = """
import json, sys, time
sys.path.insert(0, sys.argv[1])
import os
account = "111122223333"
os.environ["LEFTFOLD_STACK"] = "first"
os.environ["LEFTFOLD_ROLES"] = json.dumps({account + "/all": "main queries commands operate feed"})
began = time.process_time()
import app
imported = time.process_time()
modules = len(sys.modules)
from chalicelib.leftfold.projection.rows import StoredRow
from chalicelib.leftfold.store.memory import MemoryEvents, MemoryRequestCounts
from chalicelib.leftfold.subjects.memory import MemoryKeys, MemoryKeyService
from chalicelib.leftfold.wiring import process
from chalicelib.leftfold.wiring.services import Services
from chalicelib.leftfold.wiring.settings import Settings
ROW = {"accountId": "a", "owner": "Ada", "kind": "current", "currency": "CZK", "status": "open"}
ROW |= {"balance": 1, "creditLimit": 0, "statements": 0, "version": 1}
class Rows:
    def load(self, keys):
        return {key: StoredRow(ROW, 0) for key in keys}
def rows(view):
    process.services().views[view]
    return Rows()
process.use(Services(
    Settings(os.environ), process.served(), events=MemoryEvents(), rows=rows,
    request_counts=MemoryRequestCounts(), data_keys=MemoryKeys(), key_service=MemoryKeyService(),
))
method, resource, path, parts, body = json.loads(sys.argv[2])
caller = "arn:aws:sts::" + account + ":assumed-role/all/first"
event = {
    "resource": resource, "path": path, "httpMethod": method, "pathParameters": parts,
    "headers": {"Content-Type": "application/json", "Idempotency-Key": "k"},
    "multiValueQueryStringParameters": None, "stageVariables": None,
    "requestContext": {"resourcePath": resource, "httpMethod": method, "path": path,
                       "identity": {"sourceIp": "127.0.0.1", "userArn": caller}},
    "body": body and json.dumps(body), "isBase64Encoded": False,
}
asked = time.process_time()
answer = app.app(event, None)
answered = time.process_time()
print(answer["statusCode"], imported - began, answered - asked, modules)
"""
OPENING = {"accountId": "a", "owner": "Ada", "currency": "CZK", "kind": "current"}
LEDGER = {"name": "L", "firstYear": 2025, "retainedEarnings": "RE"}
REQUESTS = {
    "GET /health": ("GET", "/health", "/health", None, None),
    "POST /accounts": ("POST", "/accounts", "/accounts", None, OPENING),
    "GET /accounts/{id}": ("GET", "/accounts/{id}", "/accounts/a", {"id": "a"}, None),
    "POST /ledgers": ("POST", "/ledgers", "/ledgers", None, LEDGER),
}


class Took(NamedTuple):
    """Milliseconds of a processor: for the import, for the answer. The modules are those of the import."""

    imported: float
    answered: float
    modules: int


def first_answer(folder: str, request: object) -> Took:
    """What one process took."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", SERVE, folder, json.dumps(request)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    status, imported, answered, modules = done.stdout.splitlines()[-1].split()
    if not status.startswith("2"):
        raise click.ClickException(f"{request} was answered with {status}")
    return Took(1000 * float(imported), 1000 * float(answered), int(modules))


def row(took: Sequence[Took]) -> list[str]:
    """The least of each number."""
    least = (
        min(one.imported for one in took),
        min(one.answered for one in took),
        min(one.imported + one.answered for one in took),
    )
    return [*(f"{number:.0f} ms" for number in least), str(took[0].modules)]


@click.command()
@click.option("--turns", default=12, show_default=True, help="Processes for each line.")
@click.option(
    "--before",
    type=click.Path(exists=True, file_okay=False),
    help="The unpacked package of another version.",
)
def main(turns: int, before: str | None) -> None:
    """Measures the first answers of new processes: the least of several turns."""
    took: dict[tuple[str, str], list[Took]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as now:
        with zipfile.ZipFile(package("dev", click.echo).zip) as contents:
            contents.extractall(now)
        folders = ({"before": before} if before else {}) | {"now": now}
        for _ in range(turns):
            for name, request in REQUESTS.items():
                for version, folder in folders.items():
                    took[name, version].append(first_answer(folder, request))
    table = Table(
        "first request", "package", "import", "answer", "both", "modules", box=SIMPLE_HEAD
    )
    for (name, version), each in took.items():
        table.add_row(name, version, *row(each))
    Console().print(table)


if __name__ == "__main__":
    main()

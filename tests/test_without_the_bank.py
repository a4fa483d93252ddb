"""The engine without the bank: docs/upgrading.md puts another domain in its place."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.page import Block, blocks, follow_blocks
from tests.tree import Tree, copied, with_tools
from tools.bootstrap import ROOT

pytestmark = pytest.mark.slow

PAGE = ROOT / "docs" / "upgrading.md"
ME = "-c user.name=team -c user.email=team@example.org"
# Commands over HTTP, projected, replayed from the log and compared, and described.
ROUND_TRIP = """
from app import API
from chalicelib.domain import DOMAIN
from chalicelib.leftfold.http.openapi import document
from chalicelib.leftfold.store.memory import MemoryCheckpoints
from tests.application import Application
from tests.http.findable import FindableRows

app = Application()
for key in "abc":
    assert app.post("/loans", {"loanId": key, "title": "First"}).status == 201
assert app.post("/loans/a/rename", {"title": "Second"}).status == 200
assert app.post("/loans/a/rename", {"title": "Third"}, if_match='"1"').code == "version-mismatch"
assert app.post("/loans/b/close").status == 200
app.settle()
live = dict(app.rows["loans"].scan())
assert live["main/loan-a"].row["title"] == "Second"
assert app.get("/loans/b?minVersion=2").json["status"] == "closed"

app.rows["loans"] = FindableRows(DOMAIN.views["loans"])
app.checkpoints = MemoryCheckpoints()
app.use(app.events)
app.settle()
assert dict(app.rows["loans"].scan()) == live and len(live) == 3

assert "/loans/{id}/rename" in document(API)["paths"]
import sys
assert not [name for name in sys.modules if "bank" in name and name.startswith("chalicelib")]
"""


def section(title: str) -> list[Block]:
    """The blocks under a heading of the page."""
    return [block for block in blocks(PAGE) if block.section == title]


def repository(root: Path) -> Tree:
    """A clone of Leftfold as it is now, in a repository of its own."""
    tree = copied(root / "leftfold")
    tree.run(f"git init -q -b main && git add -A && git {ME} commit -q -m Leftfold")
    return tree


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    return repository(tmp_path_factory.mktemp("upstream"))


@pytest.fixture(scope="module")
def clone(upstream: Tree, tmp_path_factory: pytest.TempPathFactory) -> Tree:
    """A team's clone, in which a library has replaced the bank."""
    root = tmp_path_factory.mktemp("team") / "clone"
    upstream.run(f"git clone -q -o leftfold . {root}")
    tree = Tree(root)
    with_tools(root)
    tree.run("git config user.name team && git config user.email team@example.org")
    follow_blocks(section("Replace the bank"), tree)
    return tree


def test_an_app_of_the_engine_and_one_context_serves_projects_and_replays(clone: Tree) -> None:
    clone.write("trip.py", ROUND_TRIP)
    clone.run(".leftfold/venv/bin/python trip.py && rm trip.py")


def test_nothing_that_is_left_imports_what_is_gone(clone: Tree) -> None:
    assert list(dangling(clone.root)) == []


def dangling(root: Path) -> Iterator[str]:
    """Imports of our own packages that lead to no file below *root*."""
    for path in root.rglob("*.py"):
        if ".leftfold" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_bytes())):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module]
            for name in names:
                there = root.joinpath(*name.split("."))
                ours = name.partition(".")[0] in ("chalicelib", "tests", "tools")
                if ours and not (there.is_dir() or there.with_suffix(".py").exists()):
                    yield f"{path.relative_to(root)} imports {name}"


def test_style_and_layers_are_right_without_the_bank(clone: Tree) -> None:
    clone.run(".leftfold/venv/bin/ruff check && .leftfold/venv/bin/lint-imports")


def test_the_command_works_without_the_bank(clone: Tree) -> None:
    helped = clone.run("./leftfold --help")
    assert "new-context" in helped
    assert "import " not in helped


def test_a_team_takes_a_later_engine_by_the_documented_steps(upstream: Tree, clone: Tree) -> None:
    # The engine, the bank and what is generated have all moved on.
    decider = "chalicelib/leftfold/kernel/decider.py"
    upstream.write(decider, f"{upstream.read(decider)}\n\nLATER = 1\n")
    account = "chalicelib/bank/account/domain.py"
    upstream.write(account, f"{upstream.read(account)}\n\nLATER = 1\n")
    upstream.write("tests/bank/test_later.py", "from chalicelib.bank.account.domain import LATER\n")
    upstream.replace("tools/resources/stacks.py", '"stage": {', '"stage": {"later": Table("key"), ')
    upstream.replace("infra/stage.json", '"Resources": {', '"Resources": {\n    "Later": {},')
    upstream.run(f"git add -A && git {ME} commit -q -m Later")

    follow_blocks(section("Take a later engine"), clone)

    assert "LATER = 1" in clone.read(decider)
    assert not (clone.root / "chalicelib" / "bank").exists()
    assert not (clone.root / "tests" / "bank").exists()
    assert '"LaterTable"' in clone.read("infra/stage.json")
    assert '"Loans"' in clone.read("infra/resources.json")
    assert clone.run("git status --porcelain") == ""
    clone.run("git merge-base --is-ancestor leftfold/main HEAD")

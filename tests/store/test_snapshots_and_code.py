"""A snapshot is used by the code that made it, however it is written, and by no other."""

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from chalicelib.leftfold.commands.loading import load
from chalicelib.leftfold.kernel import ERASED, Aggregate, Codec, Commit, Decider
from chalicelib.leftfold.store.memory import MemoryEvents
from tests.teller import OPENING, Teller, credit
from tools.bootstrap import ROOT
from tools.fingerprints import fingerprints

pytestmark = pytest.mark.slow

STREAM = "main/account-a"
DOMAIN = "chalicelib/bank/account/domain.py"
CREDITS = 30
# What the snapshot has more than the events: it shows in every state that begins with it.
ADDED = 1_000_000

# Loads with the chalicelib of its working directory.
LOAD = f"""
import json, sys
from pathlib import Path
import chalicelib
from chalicelib.domain import DOMAIN
from chalicelib.leftfold.kernel import Commit, Snapshot
from chalicelib.leftfold.commands.loading import load
from chalicelib.leftfold.store.memory import MemoryEvents
from chalicelib.leftfold.subjects.memory import MemoryKeys, MemoryKeyService
from chalicelib.leftfold.subjects.vault import Vault

assert Path(chalicelib.__file__).is_relative_to(Path.cwd())
reported = json.load(sys.stdin)
events = MemoryEvents()
for line, snapshot in reported["commits"]:
    made = Snapshot(*snapshot) if snapshot else None
    assert events.append(Commit.from_line(line)._replace(snapshot=made)) is None
account = DOMAIN.aggregates["account"]
vault = Vault(MemoryKeys(), MemoryKeyService(), lambda: 0.0)
loaded = load(events, account, {STREAM!r}, fingerprint=reported["fingerprint"], vault=vault)
print(json.dumps([loaded.version, loaded.state.balance, loaded.folded]))
"""


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """A copy of the code that a test may edit."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "chalicelib", tmp_path / "chalicelib", ignore=ignored)
    return tmp_path


@pytest.fixture
def stream() -> list[Commit]:
    """An account with a snapshot that this code made, and that says more than the events."""
    bank = Teller(MemoryEvents(), fingerprint=fingerprints(ROOT)["folds"]["account"])
    # Without personal data, so that a process without this one's keys reads the snapshot.
    bank.do(replace(OPENING, owner=ERASED))
    for _ in range(CREDITS):
        bank.do(credit(1))
    commits = list(bank.events.range(STREAM, 1, CREDITS + 1))
    assert [c.version for c in commits if c.snapshot is not None] == [21]
    return [richer(c) for c in commits]


def richer(commit: Commit) -> Commit:
    """The commit; in its snapshot, if it has one, the balance is higher."""
    if commit.snapshot is None:
        return commit
    state = commit.snapshot.state
    more = state | {"balance": state["balance"] + ADDED}
    return commit._replace(snapshot=commit.snapshot._replace(state=more))


def loaded(code: Path, commits: list[Commit]) -> tuple[int, int, int]:
    """Version, balance and commits folded, as the code in a folder loads the stream."""
    reported: dict[str, Any] = {
        "commits": [(c.line, c.snapshot) for c in commits],
        "fingerprint": fingerprints(code)["folds"]["account"],
    }
    done = subprocess.run(
        [sys.executable, "-B", "-c", LOAD],
        cwd=code,
        input=json.dumps(reported),
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    version, balance, folded = json.loads(done.stdout)
    return version, balance, folded


def edit(code: Path, old: str, new: str) -> None:
    text = (code / DOMAIN).read_text()
    assert text.count(old) == 1
    (code / DOMAIN).write_text(text.replace(old, new))


def test_the_code_that_made_a_snapshot_begins_with_it(code: Path, stream: list[Commit]) -> None:
    assert loaded(code, stream) == (31, CREDITS + ADDED, 10)


def test_code_that_folds_otherwise_folds_all_events_anew(code: Path, stream: list[Commit]) -> None:
    edit(code, "balance=account.balance + amount", "balance=account.balance + 2 * amount")
    assert loaded(code, stream) == (31, 2 * CREDITS, 31)


def test_the_same_code_written_otherwise_begins_with_the_snapshot(
    code: Path, stream: list[Commit]
) -> None:
    edit(
        code,
        "balance=account.balance + amount,",
        "balance=(account.balance  +  amount),  # what comes in",
    )
    text = (code / DOMAIN).read_text()
    (code / DOMAIN).write_text("# A comment.\n" + text.replace('"""', '"""Said otherwise. ', 1))
    assert loaded(code, stream) == (31, CREDITS + ADDED, 10)


@dataclass(frozen=True)
class Joined:
    """*parties* come in this order, each with its number of heads."""

    parties: dict[str, int]


@dataclass(frozen=True)
class Called:
    party: str


@dataclass(frozen=True)
class Queue:
    waiting: dict[str, int] = field(default_factory=dict)


def join_or_call(command: dict[str, int] | None, state: Queue) -> list[Any]:
    """Parties join; without a command, the one that came first is called."""
    return [Called(next(iter(state.waiting))) if command is None else Joined(command)]


def line_up(state: Queue, event: Any) -> Queue:
    if isinstance(event, Joined):
        return Queue({**state.waiting, **event.parties})
    return Queue({name: n for name, n in state.waiting.items() if name != event.party})


QUEUE = Aggregate(
    "queue",
    Decider(join_or_call, line_up, Queue()),
    Codec({"joined": Joined, "called": Called}),
)


def test_a_rule_that_rests_on_the_order_of_a_dict_decides_the_same_after_a_snapshot() -> None:
    events = MemoryEvents()
    bank = Teller(events, fingerprint="fold-1")
    for number in range(30, 0, -1):
        bank.do({f"z{number}": 1, f"a{number}": 2}, aggregate=QUEUE)
    stream = QUEUE.stream("a", "main")
    assert any(commit.snapshot for commit in events.range(stream, 1, 30))

    quick = load(events, QUEUE, stream, fingerprint="fold-1", vault=bank.vault)
    whole = load(events, QUEUE, stream, fingerprint="another", vault=bank.vault)

    assert list(quick.state.waiting) == list(whole.state.waiting)
    assert quick.state.waiting == whole.state.waiting
    assert next(iter(quick.state.waiting)) == "a30"

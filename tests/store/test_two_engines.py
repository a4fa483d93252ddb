"""Two releases of the engine side by side on one truth, while a format changes.

The newer ones are copies of this engine: `reads_both` knows formats 1 and 2 of commits and
blocks, and writes 1; `writes_new` writes 2. So a change is shown to be what it is: first all
read, then some write.
"""

import importlib
import shutil
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.commits import commit
from tests.contracts import moto
from tools.bootstrap import ROOT
from tools.tables import create_tables

pytestmark = pytest.mark.slow

ENGINE = ROOT / "chalicelib" / "leftfold"
# What a release changes that reads a new format, and what one changes that writes it.
READS_BOTH = {
    "kernel/commit.py": [
        ('members.get("format") != FORMAT', 'members.get("format") not in (1, 2)')
    ],
    "store/events.py": [("format_ > FORMAT", "format_ > 2")],
    "store/log.py": [("check_format(item, BLOCK_FORMAT,", "check_format(item, 2,")],
    "archive/segments.py": [("range(1, BLOCK_FORMAT + 1)", "range(1, 3)")],
}
WRITES_NEW = {
    "kernel/commit.py": [*READS_BOTH["kernel/commit.py"], ("\nFORMAT = 1", "\nFORMAT = 2")],
    "store/ports.py": [("\nBLOCK_FORMAT = 1", "\nBLOCK_FORMAT = 2")],
}
A, B, C = (f"main/account-{key}" for key in "abc")
LATER = datetime(2026, 3, 1, tzinfo=UTC)


class Engine:
    """One release of the engine on the tables of a stack."""

    def __init__(self, package: str, stack: str, archive: Any) -> None:
        def module(name: str) -> Any:
            return importlib.import_module(f"{package}.{name}")

        client = moto.client("dynamodb")
        ports, log = module("store.ports"), module("store.log")
        self.blocks_of = module("store.blocks")
        self.format = ports.BLOCK_FORMAT
        self.error = module("kernel").UnknownFormatError
        self._commit = module("kernel").Commit
        self.events = module("store.events").DynamoEvents(client, f"{stack}-events")
        tables = log.LogTables(*(f"{stack}-{name}" for name in log.LogTables._fields))
        self.table = log.DynamoLog(client, tables)
        self.log = module("archive.segments").SegmentedLog(self.table, archive)
        checkpoints = module("store.checkpoints").DynamoCheckpoints
        self.checkpoints = checkpoints(client, f"{stack}-view-checkpoints")
        self.bus: list[Any] = []
        publish = SimpleNamespace(publish=self.bus.extend)
        self.publisher = module("relay.publisher").Publisher(self.log, publish, self.checkpoints)
        self.sequencer = module("relay.sequencer").Sequencer(
            self.events, self.log, lambda _: None, lambda _: None
        )
        self.pruner = module("archive.pruner").Pruner(
            self.table, archive, self.checkpoints, [], lambda: LATER
        )
        view = SimpleNamespace(
            name="seen",
            stored_name="seen",
            categories=("account",),
            order="ordered",
            fed="log",
            accumulates=True,
            codecs={},
        )
        work = module("projection.runner").ViewWork(view, SimpleNamespace())
        self.reader = module("projection.partitioned").PartitionedRunner(
            work, self.log, self.checkpoints, SimpleNamespace(), lambda _: None
        )

    def write(self, *places: tuple[str, int]) -> None:
        """Commits of this release's format."""
        for place in places:
            members = commit(*place)._asdict()
            del members["format"]
            assert self.events.append(self._commit(**members)) is None

    def sequence(self, *places: tuple[str, int]) -> None:
        """Logs them, each stream in a block of its own."""
        for place in places:
            list(self.sequencer.sequence(dict([place])))

    def read(self) -> list[tuple[int, int, str]]:
        """Every block: its position, its format, and its hash, which is proved."""
        blocks = list(self.log.blocks(0))
        assert all(self.blocks_of.hash_of(block) == block.hash for block in blocks)
        return [(block.first_position, block.format, block.hash) for block in blocks]


class Stage:
    """A truth, and the releases that run on it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._archive: dict[str, bytes] = {}
        self._stack = create_tables(moto.client("dynamodb"))

    def today(self) -> Engine:
        return self._engine("chalicelib.leftfold")

    def reads_both(self) -> Engine:
        return self._engine(self._copy("reads_both", READS_BOTH))

    def writes_new(self) -> Engine:
        return self._engine(self._copy("writes_new", READS_BOTH | WRITES_NEW))

    def everything(self) -> dict[str, Any]:
        """What the tables and the archive hold, to be compared."""
        client = moto.client("dynamodb")
        tables = client.list_tables()["TableNames"]
        return {
            "archive": dict(self._archive),
            **{name: client.scan(TableName=name)["Items"] for name in tables},
        }

    def _engine(self, package: str) -> Engine:
        archive = SimpleNamespace(
            put=lambda key, data: self._archive.setdefault(key, data) is data,
            get=self._archive.get,
        )
        return Engine(package, self._stack, archive)

    def _copy(self, name: str, changes: dict[str, list[tuple[str, str]]]) -> str:
        """A copy of the engine under another name, changed as a release would change it."""
        home = self._folder / name
        if not home.exists():
            shutil.copytree(ENGINE, home, ignore=shutil.ignore_patterns("__pycache__"))
            for path in home.rglob("*.py"):
                text = path.read_text().replace("chalicelib.leftfold", name)
                for old, new in changes.get(path.relative_to(home).as_posix(), ()):
                    assert old in text, f"{path}: {old} is not there any more"
                    text = text.replace(old, new)
                path.write_text(text)
        return name


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("engines")
    sys.path.insert(0, str(folder))
    yield folder
    sys.path.remove(str(folder))
    for name in [
        name for name in sys.modules if name.split(".")[0] in ("reads_both", "writes_new")
    ]:
        del sys.modules[name]


@pytest.fixture
def stage(folder: Path) -> Iterator[Stage]:
    with moto.in_process():
        yield Stage(folder)


def test_two_releases_write_one_log_by_turns_while_both_write_the_old_format(stage: Stage) -> None:
    today, newer = stage.today(), stage.reads_both()
    for version, engine in enumerate((today, newer, today, newer), 1):
        engine.write((A, version), (B, version))
        engine.sequence((A, version), (B, version))
    assert today.read() == newer.read()
    assert [(first, written) for first, written, _ in today.read()] == [(n, 1) for n in range(8)]
    assert sum(pruned.items for pruned in newer.pruner.run(LATER - timedelta(days=1))) == 8
    assert len(today.read()) == 8


def test_the_newest_release_goes_on_after_the_old_format_and_the_release_before_it_reads_both(
    stage: Stage,
) -> None:
    reads_both, newest = stage.reads_both(), stage.writes_new()
    reads_both.write((A, 1))
    reads_both.sequence((A, 1))
    newest.write((A, 2), (B, 1))
    newest.sequence((A, 2), (B, 1))
    reads_both.write((C, 1))
    reads_both.sequence((C, 1))
    assert [written for _, written, _ in newest.read()] == [1, 2, 2, 1]
    assert reads_both.read() == newest.read()
    assert reads_both.log.head().format == 2
    assert sum(pruned.items for pruned in reads_both.pruner.run(LATER - timedelta(days=1))) == 4
    assert [written for _, written, _ in newest.read()] == [1, 2, 2, 1]


# What a release does on a truth, all of which rests on what stands there.
WORK: dict[str, Callable[[Engine], object]] = {
    "reads the head": lambda engine: engine.log.head(),
    "reads blocks": lambda engine: list(engine.log.blocks(0)),
    "reads links": lambda engine: list(engine.log.blocks(0, heard=())),
    "logs a commit": lambda engine: engine.sequence((C, 1)),
    "publishes": lambda engine: engine.publisher.publish(),
    "folds a view": lambda engine: engine.reader.catch_up(8),
    "prunes": lambda engine: list(engine.pruner.run(LATER)),
    "loads a stream": lambda engine: engine.events.range(B, 1, 9),
}


@pytest.mark.parametrize("since", ["nothing", "the old format"])
def test_the_release_of_today_meets_the_new_format_and_writes_nothing(
    stage: Stage, since: str
) -> None:
    """Also where one that reads both has written the old format behind the new one since."""
    today, newest = stage.today(), stage.writes_new()
    today.write((A, 1), (C, 1))
    today.sequence((A, 1))
    newest.write((B, 1))
    newest.sequence((B, 1))
    if since == "the old format":
        reads_both = stage.reads_both()
        reads_both.write((A, 2))
        reads_both.sequence((A, 2))
    before = stage.everything()
    for name, work in WORK.items():
        with pytest.raises(today.error, match="so a newer"):
            work(today)
        assert stage.everything() == before, name


def test_a_relay_that_is_warm_loses_its_transaction_and_then_stops(stage: Stage) -> None:
    """It remembers a head of the old format. What it puts first is a body that nobody looks for."""
    today, newest = stage.today(), stage.writes_new()
    today.write((A, 1), (C, 1))
    today.sequence((A, 1))
    newest.write((B, 1))
    newest.sequence((B, 1))
    before = stage.everything()
    with pytest.raises(today.error, match="is of format 2"):
        list(today.sequencer.sequence({C: 1}, today.events.range(C, 1, 1)))
    assert stage.everything() == before

"""Which functions each test reaches: learnt in one run without a fault, and kept."""

import json
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest

from tools.mutation.imports import closures

# A test is run with this much more CPU time than it took, at most.
SLOWER, GRACE = 5, 5.0


@dataclass
class Reached:
    """What one test that passes calls, and the CPU seconds it takes.

    *above* are those of the fixtures of its file, which whichever test comes first makes.
    """

    file: str
    seconds: float
    functions: frozenset[str]
    above: float = 0.0

    @property
    def alone(self) -> float:
        """What it takes if no other test of its file has run."""
        return self.seconds + self.above

    @property
    def most_seconds(self) -> float:
        """After these it will not end any more."""
        return self.alone * SLOWER + GRACE


class Calls:
    """The functions that are called, of files below the root, as `path:qualified name`."""

    def __init__(self, root: Path, folders: Iterable[str]) -> None:
        self._folders = tuple(str(root / folder) for folder in folders)
        self._root = f"{root}/"
        # By identity: to hash a code object is to hash all that it holds.
        self._codes: dict[int, CodeType] = {}

    def start(self) -> None:
        """Listens, in every thread that begins from now on too."""
        codes = self._codes = {}

        def called(frame: FrameType, _event: str, _argument: object) -> None:
            code = frame.f_code
            codes[id(code)] = code

        threading.settrace(called)
        sys.settrace(called)

    def stop(self) -> frozenset[str]:
        """What was called since the start."""
        sys.settrace(None)
        threading.settrace(None)
        return frozenset(
            f"{code.co_filename.removeprefix(self._root)}:{code.co_qualname}"
            for code in self._codes.values()
            if code.co_filename.startswith(self._folders)
        )


class Learning:
    """A plugin that notes what each test calls. It stands for `pytest_runtest_protocol`'s
    time and for what fixtures of a whole file call, which each test of the file reaches.
    """

    def __init__(self, calls: Calls) -> None:
        self.calls = calls
        self.tests: dict[str, Reached] = {}
        self.shared: dict[str, frozenset[str]] = {}
        self.above: dict[str, float] = {}
        self.failed: set[str] = set()
        self._above: list[frozenset[str]] = []
        self._spent = 0.0

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Any:
        began = time.process_time()
        self._above, self._spent = [], 0.0
        self.calls.start()
        try:
            return (yield)
        finally:
            functions = self.calls.stop().union(*self._above)
            file = item.nodeid.partition("::")[0]
            seconds = max(0.0, round(time.process_time() - began - self._spent, 4))
            self.tests[item.nodeid] = Reached(file, seconds, functions)

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: Any, request: Any) -> Any:
        if fixturedef.scope == "function":
            return (yield)
        self._above.append(self.calls.stop())
        began = time.process_time()
        self.calls.start()
        try:
            return (yield)
        finally:
            functions = self.calls.stop()
            self._above.append(functions)
            file = request.node.nodeid.partition("::")[0]
            spent = round(time.process_time() - began, 4)
            self._spent += spent
            self.above[file] = self.above.get(file, 0.0) + spent
            self.shared[file] = self.shared.get(file, frozenset()) | functions
            self.calls.start()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if not report.passed:
            self.failed.add(report.nodeid)


def to_json(learnt: Learning) -> str:
    """What a run has learnt, for the process that asked."""
    tests = {
        node: [
            test.file,
            test.seconds,
            sorted(test.functions | learnt.shared.get(test.file, frozenset())),
            learnt.above.get(test.file, 0.0),
        ]
        for node, test in learnt.tests.items()
        if node not in learnt.failed
    }
    return json.dumps(tests)


@dataclass
class Kept:
    """What was learnt of each test file, kept with a digest of all that decides it."""

    path: Path
    files: dict[str, dict[str, Any]] = field(default_factory=dict)

    def load(self, digests: Mapping[str, str]) -> set[str]:
        """Reads what is still true; the files of which nothing is."""
        stored = json.loads(self.path.read_text()) if self.path.exists() else {}
        self.files = {
            file: known for file, known in stored.items() if known["digest"] == digests.get(file)
        }
        return digests.keys() - self.files.keys()

    def learn(self, reported: str, digests: Mapping[str, str], files: Iterable[str]) -> None:
        """Keeps the report of a run over some files."""
        for file in files:
            self.files[file] = {"digest": digests[file], "tests": {}}
        for node, (file, *reached) in json.loads(reported).items():
            self.files[file]["tests"][node] = reached
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(json.dumps(self.files))

    def tests(self) -> dict[str, Reached]:
        """Every test that passes."""
        return {
            node: Reached(file, seconds, frozenset(functions), above)
            for file, known in self.files.items()
            for node, (seconds, functions, above) in known["tests"].items()
        }


def digest(texts: Iterable[str]) -> str:
    """A name for some texts."""
    return sha256("\0".join(texts).encode()).hexdigest()[:16]


def is_test_file(path: str) -> bool:
    """Whether a file holds tests that are run, and nothing that others use."""
    return Path(path).name.startswith("test_")


def digests(root: Path, sources: Mapping[str, str], engines: Iterable[str]) -> dict[str, str]:
    """A digest for each test file with all that it may use, other test files whose suites it
    runs among that; `*` is that of all.
    """
    texts = {
        path.relative_to(root).as_posix(): path.read_text()
        for path in sorted(root.glob("tests/**/*.py"))
    }
    tests = set(filter(is_test_file, texts))
    shared = [text for path, text in texts.items() if path not in tests]
    common = digest([*shared, *sources.values(), *sorted(engines)])
    imports = closures(root, sources)
    found = {
        file: digest([common, *(texts[each] for each in sorted({file, *imports[file]} & tests))])
        for file in tests
    }
    return {**found, "*": digest([common, *found.values()])}

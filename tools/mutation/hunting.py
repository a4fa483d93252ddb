"""A pytest session that collects once, learns what each test reaches, and then runs, for each
mutant, the tests that reach it, in a process forked from here.
"""

import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings

from tools.mutation import forks
from tools.mutation.forks import Done, Job
from tools.mutation.imports import closures
from tools.mutation.mutants import Mutant, mutated
from tools.mutation.outcomes import (
    ENDLESS,
    KILLED,
    REFUSED,
    SURVIVED,
    UNREACHED,
    Outcome,
)
from tools.mutation.planting import (
    Functions,
    NotPlantedError,
    import_anew,
    living_functions,
    replace_code,
)
from tools.mutation.reaching import Calls, Kept, Learning, Reached, to_json

HYPOTHESIS = "mutation"
# Tests that are learnt in one process: more of it are run side by side, and kept as they end.
GROUP = 150
# Small tests first, and of those the ones that reach little: they say most.
STEPS = (0.02, 0.1, 0.5, 2.0)


@dataclass(frozen=True)
class Plan:
    """What a hunt needs: the root of the tree, where code and tests are, and how much of the
    machine it may take. *engines* are the URLs of fixtures that start an engine; a test that
    asks for another of *all_engines* is not run. *most_seconds* of tests run for one mutant.
    *refuses* says why the type checker refuses one that no test has killed, or "".
    """

    root: Path
    code: tuple[str, ...]
    mutants: Sequence[Mutant]
    sources: dict[str, str]
    kept: Path
    digests: dict[str, str]
    all_engines: tuple[str, ...] = ()
    engines: Mapping[str, str] = field(default_factory=dict)
    workers: int = 1
    most_seconds: float = 60.0
    refuses: Callable[[Mutant], str] = lambda _mutant: ""
    is_over: Callable[[], bool] = lambda: False


def options(tests: Sequence[str]) -> list[str]:
    """How pytest runs a hunt: quietly, and leaving nothing behind."""
    quiet = ["-p", "no:terminal", "-p", "no:cacheprovider", "-p", "no:faulthandler"]
    # It would run a server in a thread, which a fork loses.
    quiet += ["-p", "no:rerunfailures"]
    # Hypothesis is here before pytest is.
    quiet += ["-W", "ignore:Module already imported:pytest.PytestAssertRewriteWarning"]
    return [*quiet, "-o", "addopts=", "--import-mode=importlib", "--capture=no", *tests]


def repeatable() -> None:
    """Lets Hypothesis choose the same examples each time, and not look for the smallest."""
    settings.register_profile(
        HYPOTHESIS,
        database=None,
        derandomize=True,
        deadline=None,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )
    settings.load_profile(HYPOTHESIS)


class Engines:
    """A plugin: a test that asks for an engine which is not there is not run."""

    def __init__(self, names: tuple[str, ...], urls: Mapping[str, str]) -> None:
        self._names = names
        self._urls = urls

    @pytest.hookimpl(tryfirst=True)
    def pytest_fixture_setup(self, fixturedef: Any, request: Any) -> object | None:
        if fixturedef.argname not in self._names:
            return None
        if fixturedef.argname not in self._urls:
            pytest.skip("its engine is not there")
        url = self._urls[fixturedef.argname]
        fixturedef.cached_result = (url, fixturedef.cache_key(request), None)
        return url


class Hunter:
    """The plugin of a session: instead of running its tests once, it hunts."""

    def __init__(
        self, plan: Plan, report: Callable[[str], None], found: Callable[[Outcome], None]
    ) -> None:
        self.plan = plan
        self.report = report
        self.found = found
        self._calls = Calls(plan.root, plan.code)
        self._imported: frozenset[str] = frozenset()
        self._items: dict[str, pytest.Item] = {}
        self._functions: Functions = {}
        self._tests: dict[str, Reached] = {}
        self._modules: dict[str, set[str]] = {}
        self._closures = closures(plan.root, plan.sources)
        self._session: Any = None
        # From now on: conftests are imported before the collection begins.
        self._calls.start()

    def pytest_collection_finish(self) -> None:
        self._imported = self._calls.stop()

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.report(report.longreprtext)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if session.testsfailed:
            raise session.Interrupted
        if len(threads := threading.enumerate()) > 1:
            self.report(f"a fork would lose threads: {threads}")
            raise session.Interrupted
        self._session = session
        self._items = {item.nodeid: item for item in session.items}
        self._functions = living_functions(self.plan.root)
        self._learn()
        jobs = (job for mutant in self.plan.mutants for job in self._jobs(mutant))
        for done in forks.run(jobs, self.plan.workers):
            self._end(self._outcome(done))
        return True

    def _learn(self) -> None:
        kept = Kept(self.plan.kept)
        digests = self.plan.digests
        unknown = kept.load({file: digests[file] for file in map(file_of, self._items)})
        items = [item for item in self._items.values() if file_of(item.nodeid) in unknown]
        if items:
            self.report(f"learning what {len(items)} tests reach")
        learning = groups(items)
        jobs = (Job(str(n), partial(self._learnt, some), 3600) for n, some in enumerate(learning))
        for done in forks.run(jobs, self.plan.workers):
            if not done.reported:
                self.report(f"nothing was learnt: {done.why}")
                raise self._session.Interrupted
            # At once: a hunt that is stopped while it learns has learnt this much.
            files = {file_of(item.nodeid) for item in learning[int(done.job.name)]}
            kept.learn(done.reported, digests, files)
        self._tests = {n: t for n, t in kept.tests().items() if n in self._items}
        self._modules = {
            node: {function.partition(":")[0] for function in test.functions}
            for node, test in self._tests.items()
        }
        self.report(f"{len(self._tests)} of {len(self._items)} tests pass here and are used")

    def _learnt(self, items: list[pytest.Item]) -> str:
        learning = Learning(self._calls)
        self._session.config.pluginmanager.register(learning)
        run_items(items)
        return to_json(learning)

    def _jobs(self, mutant: Mutant) -> Iterator[Job]:
        """At most one: none when its time is over or no test reaches it."""
        if self.plan.is_over():
            return
        nodes = self.tests_of(mutant)
        if not nodes:
            self._end(Outcome(mutant, UNREACHED))
            return
        seconds = sum(self._tests[node].alone for node in nodes)
        work = partial(self._hunt, mutant, nodes)
        yield Job(mutant.key, work, 60 + 20 * seconds)

    def tests_of(self, mutant: Mutant) -> list[str]:
        """The tests that may kill a mutant, the likeliest first, as many as there is time for."""
        whole = f"{mutant.path}:"
        called = f"{whole}{mutant.function}"
        is_wide = self._is_imported(mutant) or mutant.is_cached or mutant.outer is None
        near: set[str] = set()
        if is_wide:
            near = {node for node in self._tests if mutant.path in self._modules[node]}
            nodes = [
                node
                for node, test in self._tests.items()
                if node in near or mutant.path in self._closures.get(test.file, ())
            ]
        else:
            outer = f"{whole}{mutant.outer}"
            nodes = [n for n, t in self._tests.items() if called in t.functions]
            nodes = nodes or [n for n, t in self._tests.items() if outer in t.functions]
        chosen: list[str] = []
        left, made = self.plan.most_seconds, set[str]()
        for node in sorted(nodes, key=lambda node: (node not in near, self._rank(node))):
            test = self._tests[node]
            left -= test.seconds if test.file in made else test.alone
            if chosen and left < 0:
                break
            chosen.append(node)
            made.add(test.file)
        return chosen

    def _rank(self, node: str) -> tuple[int, int, str]:
        test = self._tests[node]
        return sum(test.alone > step for step in STEPS), len(test.functions), node

    def _is_imported(self, mutant: Mutant) -> bool:
        return f"{mutant.path}:{mutant.function}" in self._imported

    def _hunt(self, mutant: Mutant, nodes: list[str]) -> str:
        """In its own process: the test that fails, or nothing."""
        tree = mutated(mutant, self.plan.sources[mutant.path])
        functions = self._functions.get(mutant.path, [])
        watch = Watch({node: self._tests[node].most_seconds for node in nodes})
        if mutant.outer is not None and not self._is_imported(mutant):
            try:
                filename = str(self.plan.root / mutant.path)
                replace_code(functions, filename, self.plan.sources[mutant.path], tree)
            except NotPlantedError:
                pass
            else:
                self._session.config.pluginmanager.register(watch)
                run_items([self._items[node] for node in nodes])
                return "survived"
        import_anew(self.plan.root, mutant.path, tree)
        files = list(dict.fromkeys(file_of(node) for node in nodes))
        for some in (files[:2], files[2:8], files[8:]):
            if some:
                engines = Engines(self.plan.all_engines, self.plan.engines)
                plugins = [Only(nodes), engines, watch]
                code = pytest.main(options(some), plugins=plugins)
                if code not in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}:
                    return f"killed {some[0]}::"
        return "survived"

    def _end(self, outcome: Outcome) -> None:
        """Asks the type checker about one that lives."""
        if not outcome.is_dead and (error := self.plan.refuses(outcome.mutant)):
            outcome = outcome._replace(became=REFUSED, by=error)
        self.found(outcome)

    def _outcome(self, done: Done) -> Outcome:
        mutant = next(m for m in self.plan.mutants if m.key == done.job.name)
        ran = len(self.tests_of(mutant))
        became, _, by = done.reported.partition(" ")
        if became in {KILLED, ENDLESS, SURVIVED}:
            return Outcome(mutant, became, by, ran)
        return Outcome(mutant, ENDLESS, done.why.strip(), ran)


class Only:
    """A plugin: only these tests are run, in this order."""

    def __init__(self, nodes: Sequence[str]) -> None:
        self._nodes = nodes

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        order = {node: index for index, node in enumerate(self._nodes)}
        items[:] = sorted(
            (item for item in items if item.nodeid in order), key=lambda item: order[item.nodeid]
        )


class Watch:
    """A plugin: ends the process at the first test that fails or does not end."""

    def __init__(self, most_seconds: dict[str, float]) -> None:
        self._most = most_seconds

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        signal.signal(signal.SIGPROF, partial(self._endless, nodeid))
        signal.setitimer(signal.ITIMER_PROF, self._most.get(nodeid, 60.0))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            forks.end(f"killed {report.nodeid}")

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            forks.end(f"killed {report.nodeid}::")

    @staticmethod
    def _endless(nodeid: str, _number: int, _frame: object) -> None:
        forks.end(f"endless {nodeid}")


def run_items(items: Sequence[pytest.Item]) -> None:
    """Runs tests one after the other."""
    for item, following in zip(items, [*items[1:], None], strict=True):
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)


def groups(items: Sequence[pytest.Item]) -> list[list[pytest.Item]]:
    """The tests of whole files, in groups of at least `GROUP`, but for the last."""
    found: list[list[pytest.Item]] = []
    by_file = sorted(items, key=lambda item: file_of(item.nodeid))
    for _, of_file in groupby(by_file, lambda item: file_of(item.nodeid)):
        if not found or len(found[-1]) >= GROUP:
            found.append([])
        found[-1] += of_file
    return found


def file_of(node: str) -> str:
    """The file of a test."""
    return node.partition("::")[0]

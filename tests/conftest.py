"""Engines for the whole test session, which tests need one, and how much each run tries.

A test needs an engine if one of its fixtures requests `may_start_engines`, or if one of its parameters is marked
`engine`. The hooks read fixtures and marks, never paths: a test may lie in any folder.
"""

import json
import os
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tools.bootstrap import ROOT
from tools.domain_index import domain_index
from tools.engines import DynamoDBLocal, KinesisLocal, MiniStack, OpenSearch

# How fast this machine is at the moment is no property of the code. The gate tries the same examples at each run, so
# that it turns away a change for what the change does; `make test-more` draws new ones.
UNTIMED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("suite", UNTIMED, derandomize=True)
settings.register_profile("quick", UNTIMED, max_examples=20, derandomize=True)
settings.register_profile("more", UNTIMED, max_examples=400, derandomize=False)
settings.load_profile("suite")

# Tests that need one of these run in one process, which starts the engine once: a start takes long, or much memory.
STARTED_ONCE = ("opensearch", "ministack", "kinesis_local")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--share",
        type=float,
        default=1.0,
        help="The share of all simulated histories and of the example's accounts that is tried.",
    )
    parser.addoption(
        "--cases",
        type=int,
        help="At most so many cases of each parametrised test are tried, evenly spread.",
    )


@pytest.fixture(scope="session")
def share(request: pytest.FixtureRequest) -> float:
    """The share of all simulated histories and of the example's accounts that is tried."""
    chosen: float = request.config.getoption("--share")
    return chosen


@pytest.fixture(scope="session")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The index of this tree's domain, as the package has it."""
    path = tmp_path_factory.mktemp("index") / "domain.json"
    path.write_text(json.dumps(domain_index(ROOT)))
    return path


@pytest.fixture(scope="session")
def may_start_engines(request: pytest.FixtureRequest) -> None:
    """Each fixture that starts an engine requests this one. It fails in a run without engines."""
    if "not engine" in request.config.option.markexpr:
        pytest.fail(
            "this test starts an engine and is not marked so; mark the parameter that asks for it:"
            ' pytest.param(..., marks=pytest.mark.engine("opensearch"))',
            pytrace=False,
        )


@pytest.fixture(scope="session")
def dynamodb_local(may_start_engines: None) -> Iterator[str]:  # noqa: ARG001 - marks the test
    """The URL of DynamoDB Local."""
    with DynamoDBLocal() as engine:
        yield engine.url


@pytest.fixture(scope="session")
def opensearch(may_start_engines: None) -> Iterator[str]:  # noqa: ARG001 - marks the test
    """The URL of OpenSearch."""
    with OpenSearch() as engine:
        yield engine.url


@pytest.fixture(scope="session")
def kinesis_local(may_start_engines: None) -> Iterator[str]:  # noqa: ARG001 - marks the test
    """The URL of kinesis-local."""
    with KinesisLocal() as engine:
        yield engine.url


@pytest.fixture(scope="session")
def ministack(may_start_engines: None) -> Iterator[str]:  # noqa: ARG001 - marks the test
    """The URL of MiniStack, which leads to no OpenSearch."""
    with MiniStack() as engine:
        yield engine.url


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """One process more than cores where engines run: a test that uses one waits for most of its time."""
    return (os.cpu_count() or 1) + ("not engine" not in config.option.markexpr)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> Generator[None]:
    """Marks, groups and orders the tests. Of those that a run chooses, it tries some cases or all."""
    mark_and_group(items)
    yield
    most: int | None = config.getoption("--cases")
    if most is not None:
        chosen = spread(items, most)
        config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
        items[:] = [item for item in items if item in chosen]


def spread(items: list[pytest.Item], most: int) -> set[pytest.Item]:
    """At most *most* cases of each test: its first and its last one, and others evenly between."""
    cases: dict[str, list[pytest.Item]] = {}
    for item in items:
        cases.setdefault(item.nodeid.partition("[")[0], []).append(item)
    return {
        of_test[number * (len(of_test) - 1) // max(1, most - 1)]
        for of_test in cases.values()
        for number in range(most)
    }


def mark_and_group(items: list[pytest.Item]) -> None:
    """Marks each test that needs an engine, and groups those that must run in one process."""
    for item in items:
        if not isinstance(item, pytest.Function):
            continue
        if "may_start_engines" in item.fixturenames:
            item.add_marker(pytest.mark.engine(*item.fixturenames))
        has_second_try = item.config.pluginmanager.hasplugin("rerunfailures")
        if has_second_try and item.get_closest_marker("engine") is not None:
            # Its engines run on a clock of their own, on a machine that may be busy. Whoever it fails for reads of it.
            item.add_marker(pytest.mark.flaky(reruns=1))
        named = {name for mark in item.iter_markers("engine") for name in mark.args}
        group = next((name for name in STARTED_ONCE if name in named), None) or module_of(item)
        if group is not None and item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(group))
            if item.config.getoption("loadgroup", default=False):
                # xdist 3.8.0 tells its scheduler the group by an attribute that pytest 9.2 does
                # not read: github.com/pytest-dev/pytest-xdist/issues/1386
                item._id = type(item.id).parse(f"{item.nodeid}@{group}")
    # Tests that need an engine take longest. Begun first, none is left for one process at the end.
    items.sort(key=lambda item: item.get_closest_marker("engine") is None)


def module_of(item: pytest.Function) -> str | None:
    """The module of a test that shares a fixture with others of its module, else None."""
    scopes = {found[-1].scope for found in item._fixtureinfo.name2fixturedefs.values() if found}
    return item.nodeid.partition("::")[0] if scopes & {"class", "module", "package"} else None


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A skipped test fails: nothing that is promised goes unchecked in silence."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """So does a module that skips itself."""
    report = yield
    if report.skipped:
        report.outcome = "failed"
    return report

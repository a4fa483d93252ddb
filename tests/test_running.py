"""How the suite itself runs: which tests need an engine, which share a process, and that none is skipped."""

from pathlib import Path

import pytest

from tests.more import seed_of, steps_of

TESTS = """
import pytest

@pytest.fixture
def engine_behind_a_fixture(dynamodb_local): ...

@pytest.fixture(params=["memory", pytest.param("real", marks=pytest.mark.engine("opensearch"))])
def store(request): return request.param

@pytest.fixture(scope="module")
def costly(): ...

def test_pure(): ...
def test_behind(engine_behind_a_fixture): ...
def test_store(store): ...
def test_shares(costly): ...
"""
PLUGIN = ("-p", "tests.conftest", "-p", "no:cacheprovider", "-p", "no:schemathesis", "-q")


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makeini("[pytest]\nmarkers = engine(*names): needs them")
    return pytester


def collected(suite: pytest.Pytester, *options: str) -> set[str]:
    suite.makepyfile(test_it=TESTS)
    lines = suite.inline_run(*PLUGIN, "--collect-only", *options)
    items = [item for call in lines.getcalls("pytest_itemcollected") for item in [call.item]]
    gone = [item for call in lines.getcalls("pytest_deselected") for item in call.items]
    return {item.name for item in items if item not in gone}


def test_a_test_needs_an_engine_if_a_fixture_of_its_fixtures_does(suite: pytest.Pytester) -> None:
    assert collected(suite, "-m", "engine") == {"test_behind", "test_store[real]"}


def test_all_others_are_left_to_a_run_without_engines(suite: pytest.Pytester) -> None:
    assert collected(suite, "-m", "not engine") == {
        "test_pure",
        "test_store[memory]",
        "test_shares",
    }


def test_an_engine_that_no_mark_tells_of_is_not_started(suite: pytest.Pytester) -> None:
    suite.makepyfile("def test_it(request): request.getfixturevalue('dynamodb_local')")
    done = suite.runpytest_inprocess(*PLUGIN, "-m", "not engine")
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines("*this test starts an engine and is not marked so*")


FAILING_ONCE = """
import pytest

seen = []

@pytest.mark.parametrize("on", ["here", pytest.param("engine", marks=pytest.mark.engine("any"))])
def test_it(on):
    seen.append(on)
    assert seen.count(on) == 2
"""


def test_a_test_on_an_engine_has_a_second_try_which_is_shown_and_no_other_has(
    suite: pytest.Pytester,
) -> None:
    suite.makepyfile(FAILING_ONCE)
    done = suite.runpytest_inprocess(*PLUGIN, "-rR")
    done.assert_outcomes(passed=1, failed=1)
    assert done.parseoutcomes()["rerun"] == 1
    done.stdout.fnmatch_lines("RERUN *test_it[[]engine[]]*")


@pytest.mark.slow
@pytest.mark.parametrize(
    "code",
    [
        "import pytest\n@pytest.mark.skip\ndef test_it(): ...",
        "import pytest\ndef test_it(): pytest.skip('later')",
        "import pytest\npytest.skip('later', allow_module_level=True)",
        "import pytest\npytest.importorskip('no_such_module')",
    ],
)
def test_a_skipped_test_fails_the_run(suite: pytest.Pytester, code: str) -> None:
    suite.makepyfile(code)
    done = suite.runpytest_inprocess(*PLUGIN)
    assert done.ret != pytest.ExitCode.OK
    assert done.parseoutcomes().keys() & {"failed", "error", "errors"}


def test_tests_that_share_an_engine_or_a_modules_fixture_share_a_process(
    suite: pytest.Pytester,
) -> None:
    suite.makepyfile(test_it=TESTS)
    done = suite.inline_run(*PLUGIN, "--collect-only")
    items = [call.item for call in done.getcalls("pytest_itemcollected")]
    groups = {
        item.name: mark.args[0] if (mark := item.get_closest_marker("xdist_group")) else None
        for item in items
    }
    assert groups == {
        "test_pure": None,
        "test_behind": None,
        "test_store[memory]": None,
        "test_store[real]": "opensearch",
        "test_shares": "test_it.py",
    }


MANY = """
import pytest

@pytest.mark.parametrize("number", range(9))
def test_many(number): ...

@pytest.mark.parametrize("on", [pytest.param("far", marks=pytest.mark.engine("any")), "near"])
def test_two(on): ...

def test_one(): ...
"""


@pytest.mark.parametrize(
    ("options", "chosen"),
    [
        ([], [*range(9)]),
        (["--cases", "3"], [0, 4, 8]),
        (["--cases", "1"], [0]),
        (["--cases", "20"], [*range(9)]),
    ],
)
def test_a_run_may_try_some_cases_of_each_test_evenly_spread(
    suite: pytest.Pytester, options: list[str], chosen: list[int]
) -> None:
    """They are cases that it would run: those on an engine do not count where it has none."""
    suite.makepyfile(MANY)
    done = suite.inline_run(*PLUGIN, "-m", "not engine", *options)
    ran = sorted(
        report.nodeid.partition("::")[2]
        for report in done.getreports("pytest_runtest_logreport")
        if report.when == "call"
    )
    many = [f"test_many[{number}]" for number in chosen]
    assert ran == [*many, "test_one", "test_two[near]"]


# Each test notes the process that it ran in.
SHARING = """
import os
import pytest

@pytest.fixture(scope="module")
def costly(): ...

@pytest.mark.parametrize("number", range(6))
def test_shares(costly, number):
    with open("processes", "a") as file:
        file.write(__name__ + " " + os.environ["PYTEST_XDIST_WORKER"] + "\\n")
"""


@pytest.mark.slow
def test_two_processes_take_whole_groups(suite: pytest.Pytester) -> None:
    suite.makepyfile(test_one=SHARING, test_two=SHARING)
    done = suite.runpytest_subprocess(*PLUGIN, "-n", "2", "--dist", "loadgroup")
    done.assert_outcomes(passed=12)
    ran = (suite.path / "processes").read_text().splitlines()
    assert len(ran) == 12
    # Each of the modules in one process.
    assert len(set(ran)) == 2


def test_each_commit_has_seeds_of_its_own() -> None:
    seeds = {seed_of(f"{n:040x}"[::-1]) for n in range(1000)}
    assert len(seeds) == 1000
    assert all(10**6 <= seed < 10**9 for seed in seeds)
    assert seed_of("5106d8e0000000000") == seed_of("5106d8e0000000000")


def test_the_last_of_the_larger_steps_is_pytest() -> None:
    *longer, last = steps_of(7)
    assert last.module == "pytest"
    assert "--hypothesis-seed=7" in last.arguments
    same_each_time = {"tests.models", "tests.browser", "tests.generations.counting", "pytest"}
    same_each_time |= {"tools", "tools.web_console", "tests.erasure"}
    assert all("7" in step.arguments for step in longer if step.module not in same_each_time)
    # There is time for all but a few of them, and each seed leaves out others.
    assert sum(step.minutes for step in [*longer, last]) <= 40
    firsts = {steps_of(seed)[0].command[1] for seed in range(len(longer))}
    assert firsts == {step.module for step in longer}


def test_every_target_is_listed_and_aligned() -> None:
    root = Path(__file__).parents[1]
    text = (root / "Makefile").read_text()
    phony = text.partition(".PHONY:")[2].partition("\n")[0].split()
    described = [
        line.partition(":")[0] for line in text.splitlines() if ": " in line and "##" in line
    ]
    assert set(phony) - set(described) == {"tools", "engines"}

"""Mutation testing plants each fault it names, and tells what became of it."""

import subprocess
import sys
import time
from pathlib import Path
from textwrap import dedent
from types import SimpleNamespace
from typing import Any

import pytest

from tools.bootstrap import ROOT
from tools.mutation import forks
from tools.mutation.__main__ import CODE, KNOWN, NOT_RUN, TESTS
from tools.mutation.forks import Job
from tools.mutation.hunting import GROUP, groups
from tools.mutation.imports import imported_by
from tools.mutation.mutants import Mutant, modules, mutants_of, mutated
from tools.mutation.outcomes import (
    ENDLESS,
    KILLED,
    SURVIVED,
    Equivalent,
    Outcome,
    Results,
    Share,
    equivalents,
    share,
)
from tools.mutation.planting import NotPlantedError, replace_code
from tools.mutation.reaching import GRACE, SLOWER, Kept, digests
from tools.mutation.types import Types

PATH = "shop/rules.py"
SOURCE = dedent(
    '''
    """A module."""

    from typing import TYPE_CHECKING

    if TYPE_CHECKING:
        from os import PathLike

    LIMIT: int = 10


    def may_pay(balance: int, amount: int = 1) -> bool:
        """Whether it may."""
        if amount > LIMIT:
            raise ValueError("more than the limit")
        return balance - amount >= 0 and amount > 0
    '''
)


def becomes(source: str) -> list[str]:
    return [mutant.becomes for mutant in mutants_of(PATH, source)]


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("a < b", ["a <= b", "a >= b"]),
        ("a == b", ["a != b"]),
        ("a in b", ["a not in b"]),
        ("a and b", ["a or b", "b", "a"]),
        ("not a", ["a"]),
        ("a + b", ["a - b"]),
        ("x += a", ["x -= a", "pass"]),
        ("x = 7", ["x = None", "x = 8", "x = 6"]),
        ("x = True", ["x = None", "x = False"]),
        ("f('code')", ["pass", "f('code~')"]),
        ("f('a text for people')", ["pass"]),
        ("f(a, b)", ["pass", "f(b, a)"]),
        ("f(a, key=b)", ["pass", "f(a)"]),
        ("x = min(a, b)", ["x = None", "x = max(a, b)"]),
        ("x.a = b", ["x.a = None", "pass"]),
        ("x = a[b:c]", ["x = None", "x = a[:c]", "x = a[b:]"]),
        ("x = (a, b)", ["x = None", "x = (b,)", "x = (a,)"]),
        ("x = {'a': b}", ["x = None", "x = {}", "x = {'a~': b}"]),
        ("x = [a for a in b if c]", ["x = None", "x = [a for a in b]"]),
        ("del x[a]", ["pass"]),
        (
            "f('attribute_not_exists(v) AND n = :n')",
            [
                "pass",
                "f('attribute_exists(v) AND n = :n')",
                "f('attribute_not_exists(v) AND n <> :n')",
                "f('attribute_not_exists(v) OR n = :n')",
            ],
        ),
    ],
)
def test_each_kind_of_fault_is_made(statement: str, expected: list[str]) -> None:
    assert becomes(statement) == expected


def test_a_guard_loses_its_condition_and_itself() -> None:
    assert "pass" in becomes("def f(a):\n    if a < 1:\n        raise ValueError\n")
    guarded = "match a:\n    case b if c:\n        d\n    case _:\n        e\n"
    assert "case b" in becomes(guarded)


def test_what_decides_nothing_is_left_alone() -> None:
    assert becomes('"""Says what."""\n') == []
    assert becomes("if TYPE_CHECKING:\n    import os\n") == []
    assert becomes("def f(a: tuple[int, str]) -> dict[str, 'b']: ...\n") == []
    assert becomes("__all__ = ['a', 'b']\n") == []
    assert becomes("Key = tuple[str, int]\n") == ["Key = None"]


def test_a_mutant_is_known_by_its_text_wherever_its_lines_are() -> None:
    moved = SOURCE.replace("LIMIT: int = 10", "# why\n\n\nLIMIT: int = 10")
    assert [m.key for m in mutants_of(PATH, moved)] == [m.key for m in mutants_of(PATH, SOURCE)]
    keys = [m.key for m in mutants_of(PATH, SOURCE + "\n\ndef twice():\n    return [1, 1]\n")]
    assert len(set(keys)) == len(keys)


def test_every_mutant_differs_from_the_source_and_can_be_compiled() -> None:
    sources = {PATH: SOURCE, **modules(ROOT, (f"{CODE[0]}/metrics.py",))}
    for path, source in sources.items():
        original = compile(source, path, "exec")
        for mutant in mutants_of(path, source):
            assert compile(mutated(mutant, source), path, "exec") != original, mutant


def mutant_of(text: str) -> Mutant:
    return next(m for m in mutants_of(PATH, SOURCE) if m.becomes == text)


def test_a_function_that_lives_already_takes_the_faults_code() -> None:
    space: dict[str, object] = {}
    exec(compile(SOURCE, PATH, "exec"), space)  # noqa: S102 - a module in a variable
    may_pay = space["may_pay"]
    assert callable(may_pay)
    tree = mutated(mutant_of("return balance - amount > 0 and amount > 0"), SOURCE)
    assert may_pay(5, 5)
    replace_code([may_pay], PATH, SOURCE, tree)  # type: ignore[list-item]
    assert not may_pay(5, 5)


def test_what_only_an_import_runs_cannot_be_put_into_a_function() -> None:
    with pytest.raises(NotPlantedError):
        replace_code([], PATH, SOURCE, mutated(mutant_of("LIMIT: int = 11"), SOURCE))


def boom() -> str:
    raise ValueError("boom")


def hang() -> str:
    while True:
        time.sleep(1)


def test_a_process_that_hangs_or_breaks_is_ended_and_the_others_go_on() -> None:
    jobs = [Job("hang", hang, 0.5), Job("boom", boom, 60), Job("works", lambda: "ž" * 10**5, 60)]
    done = {one.job.name: one for one in forks.run(jobs, workers=2)}
    assert done["works"].reported == "ž" * 10**5
    assert (done["hang"].reported, done["hang"].why) == ("", "its time was over")
    assert "boom" in done["boom"].why


def test_a_share_has_wilsons_interval() -> None:
    low, high = Share(95, 100).interval
    assert (round(low, 1), round(high, 1)) == (88.8, 97.8)
    assert Share(0, 0).interval == (0.0, 100.0)


def test_what_is_known_to_be_equivalent_is_not_counted() -> None:
    killed, lives, known = mutants_of(PATH, SOURCE)[:3]
    outcomes = [Outcome(killed, KILLED), Outcome(lives, SURVIVED), Outcome(known, SURVIVED)]
    same = Equivalent("rules.py", known.function, known.was, known.becomes, "why")
    assert share(outcomes, [same]) == (1, 2)


def test_an_entry_of_the_list_may_name_several_mutants_and_an_amount_stands_for_its_numbers(
    tmp_path: Path,
) -> None:
    listed = tmp_path / "mutants.toml"
    listed.write_text(
        dedent(
            """
            [[equivalent]]
            file = "rules.py"
            function = "f"
            was = "return a < b"
            becomes = ["return a <= b", "return a >= b"]
            why = "They are never the same."

            [[amounts]]
            file = "rules.py"
            names = ["AT_ONCE", "SIZE"]
            why = "How much at once."
            """
        )
    )
    source = dedent(
        """
        AT_ONCE = 16
        AT_ONCE_MORE = 16
        SIZE = 8 * 1024
        def f(a, b): return a < b
        """
    )
    known = equivalents(listed)
    named = {
        mutant.becomes
        for mutant in mutants_of("shop/rules.py", source)
        if any(one.names(mutant) for one in known)
    }
    assert named == {
        *("return a <= b", "return a >= b"),
        *("AT_ONCE = 15", "AT_ONCE = 17"),
        *("SIZE = 7 * 1024", "SIZE = 9 * 1024", "SIZE = 8 * 1023", "SIZE = 8 * 1025"),
    }
    assert not any(one.names(m) for one in known for m in mutants_of("shop/other.py", source))


def test_an_outcome_counts_until_what_decided_it_has_changed(tmp_path: Path) -> None:
    killed, endless, lives = mutants_of(PATH, SOURCE)[:3]
    digests = {"tests/test_a.py": "a", "*": "all"}
    kept = tmp_path / "kept" / "results.jsonl"
    results = Results(kept)
    for outcome in (
        Outcome(killed, KILLED, "tests/test_a.py::test_x", 3),
        Outcome(endless, ENDLESS, "its time was over", 3),
        Outcome(lives, SURVIVED, "", 3),
    ):
        results.keep(outcome, "module", digests)
    again = Results(kept)
    assert again.find(killed, "module", {**digests, "*": "other"}) is not None
    assert again.find(lives, "module", digests) == Outcome(lives, SURVIVED, "", 3)
    assert again.find(lives, "module", {**digests, "*": "other"}) is None
    assert again.find(killed, "other", digests) is None
    assert again.find(killed, "module", {"tests/test_a.py": "b", "*": "all"}) is None


def test_what_a_fixture_of_a_file_takes_is_no_test_s_own_and_each_may_have_to_make_it(
    tmp_path: Path,
) -> None:
    """The second test has cost nothing; alone, it makes the fixture, and is not endless for that."""
    (tmp_path / "test_dear.py").write_text(
        dedent(
            """
            import time
            import pytest

            @pytest.fixture(scope="module")
            def dear():
                began = time.process_time()
                while time.process_time() - began < 0.2:
                    pass

            def test_first(dear): pass
            def test_second(dear): pass
            """
        )
    )
    script = dedent(
        f"""
        import pytest
        from pathlib import Path
        from tools.mutation.hunting import options
        from tools.mutation.reaching import Calls, Learning, to_json

        root = Path({str(tmp_path)!r})
        learning = Learning(Calls(root, ()))
        pytest.main(options(["--rootdir", str(root), str(root)]), plugins=[learning])
        print(to_json(learning))
        """
    )
    run = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    kept = Kept(tmp_path / "reached.json")
    kept.learn(run.stdout, {"test_dear.py": "d"}, ["test_dear.py"])
    learnt = Kept(kept.path)
    assert learnt.load({"test_dear.py": "d"}) == set()
    tests = learnt.tests()
    assert len(tests) == 2
    for test in tests.values():
        assert test.seconds < 0.2 <= test.above
        assert test.most_seconds == test.alone * SLOWER + GRACE >= 0.2 * SLOWER + GRACE


def test_what_was_learnt_of_a_test_file_counts_until_what_it_uses_has_changed(
    tmp_path: Path,
) -> None:
    """A suite that a second file runs on another adapter is a part of that file, too."""
    tests = tmp_path / "tests"
    tests.mkdir()
    for name, text in {
        "test_suite": "def test_a(port): ...",
        "test_adapter": "from tests import test_suite",
        "test_other": "",
        "helper": "",
    }.items():
        (tests / f"{name}.py").write_text(text)
    before = digests(tmp_path, {}, ())

    def changed(name: str) -> set[str]:
        (tests / f"{name}.py").write_text("# other")
        after = digests(tmp_path, {}, ())
        return {file for file, digest in before.items() if after[file] != digest}

    assert changed("test_other") == {"tests/test_other.py", "*"}
    suite = {"tests/test_suite.py", "tests/test_adapter.py"}
    assert changed("test_suite") == {"tests/test_other.py", "*", *suite}
    assert changed("helper") == set(before)


def test_a_module_that_is_named_in_a_text_is_imported_as_well() -> None:
    """A context names its HTTP part so; all that an import runs there is reached by its tests."""
    paths = {"shop": "shop/__init__.py", "shop.http": "shop/http.py", "shop.mail": "shop/mail.py"}
    source = "from shop import Context\nSHOP = Context(http='shop.http', name='mail')"
    found = imported_by("tests/test_a.py", source, paths)
    assert found == {"shop/__init__.py", "shop/http.py"}


def test_tests_are_learnt_by_groups_of_whole_files() -> None:
    """Each group is kept when it ends: a file that two of them had would lose the first's."""
    nodes = [f"tests/test_{n % 7}.py::test_{n}" for n in range(4 * GROUP)]
    items: Any = [SimpleNamespace(nodeid=node) for node in nodes]
    learning = [[item.nodeid for item in some] for some in groups(items)]
    assert sorted(node for some in learning for node in some) == sorted(nodes)
    files = [{node.partition("::")[0] for node in some} for some in learning]
    assert sum(map(len, files)) == 7
    assert [len(some) >= GROUP for some in learning[:-1]] == [True] * (len(learning) - 1)
    assert groups([]) == []


def test_every_test_that_a_hunt_runs_is_there() -> None:
    for test in TESTS:
        assert (ROOT / test.partition("::")[0]).exists(), test


@pytest.mark.slow
def test_every_mutant_that_is_known_to_be_equivalent_can_still_be_made() -> None:
    named = tuple(f"/{known.file}" for known in equivalents(KNOWN))
    sources = {path: text for path, text in modules(ROOT, CODE).items() if path.endswith(named)}
    mutants = {path: mutants_of(path, text) for path, text in sources.items()}
    for known in equivalents(KNOWN):
        of_file = [some for path, some in mutants.items() if path.endswith(f"/{known.file}")]
        assert any(known.names(mutant) for some in of_file for mutant in some), known
        assert known.why


@pytest.mark.slow
def test_a_fault_that_the_type_checker_refuses_is_told_from_one_that_it_takes(
    tmp_path: Path,
) -> None:
    source = dedent(
        """
        def may_pay(balance: int, amount: int) -> bool:
            if amount > balance:
                return False
            limit: int = "ten"  # type: ignore[assignment]
            return amount < limit
        """
    )
    (tmp_path / "rules.py").write_text(source)
    types = Types(tmp_path, ["rules.py"], {"rules.py": source}, tmp_path / "kept")
    mutants = {mutant.becomes: mutant for mutant in mutants_of("rules.py", source)}
    assert 'got "None"' in types.refuses(mutants["return None"])
    assert types.refuses(mutants["return True"]) == ""


@pytest.mark.slow
def test_a_hunt_kills_what_a_test_misses_and_tells_what_lives(tmp_path: Path) -> None:
    """The whole way, in a small tree: a fault in a function, one in what an import runs, one
    that hangs, and one that no test sees.
    """
    (tmp_path / "shop").mkdir()
    (tmp_path / "tests").mkdir()
    rules = SOURCE + dedent(
        """

        def count_down(n: int) -> int:
            while n > 0:
                n -= 1
            return n
        """
    )
    (tmp_path / "shop" / "rules.py").write_text(rules)
    (tmp_path / "tests" / "test_rules.py").write_text(
        dedent(
            """
            from shop.rules import LIMIT, count_down, may_pay

            def test_limit(): assert LIMIT == 10
            def test_pays(): assert may_pay(5, 5) and not may_pay(5, 6)
            def test_counts(): assert count_down(2) == 0
            """
        )
    )
    script = dedent(
        f"""
        import sys
        from pathlib import Path
        import pytest
        from tools.mutation.hunting import Hunter, Plan, options
        from tools.mutation.mutants import modules, mutants_of
        from tools.mutation.reaching import digests

        root = Path({str(tmp_path)!r})
        sys.path.insert(0, str(root))
        sources = modules(root, ("shop",))
        mutants = [m for path, text in sources.items() for m in mutants_of(path, text)]
        plan = Plan(root, ("shop",), mutants, sources, root / ".kept" / "reach.json",
                    digests(root, sources, ()))
        found = []
        hunter = Hunter(plan, print, found.append)
        code = pytest.main(options(["--rootdir", str(root), str(root / "tests")]), plugins=[hunter])
        assert code == 0, code
        for outcome in found:
            print(outcome.became, outcome.mutant.becomes.replace(chr(10), " "))
        """
    )
    run = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
    emitted = set(run.stdout.splitlines())
    assert "killed LIMIT: int = 11" in emitted
    assert "killed return balance - amount > 0 and amount > 0" in emitted
    assert "survived return balance - amount >= 0 and amount >= 0" in emitted
    assert "endless n += 1" in emitted


def test_a_hunt_runs_tests_of_every_folder_but_those_that_are_named() -> None:
    folders = {path.parent.name for path in (ROOT / "tests").glob("*/test_*.py")}
    run = {test.split("/")[1] for test in TESTS if test.count("/") > 1 or not test.endswith(".py")}
    assert run == folders - NOT_RUN

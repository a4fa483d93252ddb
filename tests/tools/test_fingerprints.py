"""A fingerprint changes with the code that a fold can reach, and with no other."""

import re
import shutil
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest

from tools.bootstrap import ROOT
from tools.fingerprint_roots import of
from tools.fingerprints import Code, Fingerprints, fingerprints

pytestmark = pytest.mark.slow

BANK = "chalicelib/bank"
ACCOUNT = f"{BANK}/account/domain.py"
VIEWS = f"{BANK}/account/views.py"


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """A copy of the code that a test may edit."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "chalicelib", tmp_path / "chalicelib", ignore=ignored)
    return tmp_path


@pytest.fixture(scope="module")
def before() -> Fingerprints:
    return fingerprints(ROOT)


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def changed(one: Fingerprints, other: Fingerprints) -> set[str]:
    """The folds, views and policies whose fingerprints differ."""
    return {
        f"{kind} {name}"
        for kind, parts in one.items()
        for name in parts
        if other[kind][name] != parts[name]
    }


def test_every_fold_view_and_policy_has_a_fingerprint_of_32_hex_digits(
    before: Fingerprints,
) -> None:
    assert set(before["folds"]) >= {"account", "transfer"}
    assert set(before["views"]) >= {"balances", "totals"}
    assert set(before["policies"]) >= {"notify"}
    values = [value for parts in before.values() for value in parts.values()]
    assert all(re.fullmatch("[0-9a-f]{32}", value) for value in values)
    assert len(set(values)) == len(values)


# An edit, and what it changes of the bank.
EDITS = {
    "a rule": (
        ACCOUNT,
        "check_bookings(bookings, account)",
        "check_bookings(bookings[:], account)",
        set(),
    ),
    "a constant of a rule": (
        ACCOUNT,
        "MINIMUM_SHARE, MINIMUM_UNITS = 20",
        "MINIMUM_SHARE, MINIMUM_UNITS = 21",
        set(),
    ),
    "the fold of an aggregate": (
        ACCOUNT,
        'return replace(account, status="frozen")',
        'return replace(account, status="closed")',
        {"folds account"},
    ),
    "the fold of one view": (
        VIEWS,
        '"statements": number - 1,',
        '"statements": number,',
        {"views balances", "views ranking"},
    ),
    "a helper of views": (
        VIEWS,
        "an event of an account that was never opened",
        "no such account",
        {"views balances", "views ranking"},
    ),
    "a helper of a policy": (
        f"{BANK}/notices/policies.py",
        'return f"{Money(amount, currency)} {currency}"',
        'return f"{currency} {Money(amount, currency)}"',
        {"policies notify"},
    ),
    "a route": (f"{BANK}/account/http/accounts.py", "import", "import math\nimport", set()),
    "the types of a view's fields": (
        VIEWS,
        '"owner": "text"',
        '"owner": "keyword"',
        {"views ranking"},
    ),
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_changes_only_what_can_reach_it(
    code: Path, before: Fingerprints, edit: str
) -> None:
    path, old, new, expected = EDITS[edit]
    replace(code / path, old, new)
    assert changed(before, fingerprints(code)) == expected


def test_the_way_in_which_events_are_read_counts_for_everything(
    code: Path, before: Fingerprints
) -> None:
    replace(code / "chalicelib/leftfold/kernel/forms.py", 'removesuffix("+00:00") + "Z"', "lower()")
    everything = {f"{kind} {name}" for kind, parts in before.items() for name in parts}
    assert changed(before, fingerprints(code)) == everything


def test_an_upcast_or_another_stored_name_counts_for_all_who_read_it(
    code: Path, before: Fingerprints
) -> None:
    replace(code / ACCOUNT, '"account-frozen": Frozen', '"account-iced": Frozen')
    replaced = changed(before, fingerprints(code))
    assert {"folds account", "views balances", "views totals", "policies notify"} <= replaced
    assert "folds transfer" not in replaced


def test_comments_docstrings_and_formatting_do_not_count(code: Path, before: Fingerprints) -> None:
    for name in (ACCOUNT, VIEWS, "chalicelib/leftfold/kernel/codec.py"):
        text = (code / name).read_text()
        text = text.replace('"""', '"""Said otherwise. ').replace(" = ", "  =  ")
        text = text.replace('"""Said otherwise. \n', '"""\n')
        (code / name).write_text(f"# a comment\n{text}\n\n# another\n")
    assert changed(before, fingerprints(code)) == set()


# --- which code a symbol reaches


def write(root: Path, modules: dict[str, str]) -> None:
    """Modules of a small chalicelib, by their path in it."""
    for name, text in {"__init__.py": "", **modules}.items():
        path = root / "chalicelib" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def reaches(root: Path, modules: dict[str, str], edited: dict[str, str]) -> bool:
    """Whether an edit counts for the function `fold` of the module `chalicelib.domain`."""
    made = []
    for files in (modules, modules | edited):
        write(root, files)
        made.append(Code(root).fingerprint([("chalicelib.domain", "fold")]))
    return made[0] != made[1]


FAR = {"far/__init__.py": "", "far/helper.py": "HELP = 1\nOTHER = 1"}


@pytest.mark.parametrize(
    "fold",
    [
        "import chalicelib.far.helper\ndef fold(): return chalicelib.far.helper.HELP",
        "import chalicelib.far.helper as near\ndef fold(): return near.HELP",
        "from chalicelib.far import helper\ndef fold(): return helper.HELP",
        "from chalicelib.far.helper import HELP\ndef fold(): return HELP",
        "from .far import helper\ndef fold(): return helper.HELP",
        "from .far.helper import HELP as SAME\ndef fold(): return SAME",
        "from .far.helper import *\ndef fold(): return HELP",
        "def fold():\n    from chalicelib.far.helper import HELP\n    return HELP",
        "def fold():\n    import chalicelib.far.helper as near\n    return near.HELP",
        "from .between import HELP\ndef fold(): return HELP",
        "from . import between\ndef fold(): return between.HELP",
        "from .far import helper\ndef fold(): return vars(helper)",
        "from .far.helper import HELP\nTABLE = {}\nTABLE['a'] = HELP\ndef fold(): return TABLE",
        "from .far.helper import HELP\nTABLE = {}\nTABLE.update(a=HELP)\ndef fold(): return TABLE",
        "from .far.helper import HELP\ndef fold(given=HELP): return given",
        "from .far.helper import HELP\ndef fold(x: 'HELP'): return x",
        "from .far.helper import HELP\ndef fold() -> 'list[HELP]': return []",
        "from .far.helper import HELP\ndef fold(): return [HELP for other in ()]",
        "from .far.helper import HELP\ndef fold():\n    def inner(HELP): return HELP\n    return HELP",
        "from .far.helper import HELP\ndef fold(): return [[HELP for HELP in ()], HELP]",
        "from .far.helper import HELP\ndef fold():\n    match 1:\n        case HELP.x: return 2",
        "from .far.helper import HELP\nclass Base: x = HELP\nclass Row(Base): pass\ndef fold(): return Row()",
        "from .far.helper import HELP\nfold = lambda: HELP",
        "if 1:\n    from .far.helper import HELP\ndef fold(): return HELP",
        "import functools\nfrom .far.helper import HELP\n@functools.partial(HELP)\ndef fold(): return 1",
    ],
)
def test_every_way_to_name_something_is_followed(tmp_path: Path, fold: str) -> None:
    code = {"domain.py": fold, "between.py": "from .far.helper import HELP", **FAR}
    assert reaches(tmp_path, code, {"far/helper.py": "HELP = 2\nOTHER = 1"})


@pytest.mark.parametrize(
    "fold",
    [
        "from .far.helper import HELP, OTHER\ndef fold(): return OTHER",
        "from .far import helper\ndef fold(): return helper.OTHER",
        "from .far.helper import HELP\ndef fold(HELP): return HELP",
        "from .far.helper import HELP\ndef fold(): return [HELP for HELP in ()]",
        "from .far.helper import HELP\ndef rule(): return HELP\ndef fold(): return 1",
        "from .far.helper import HELP\ndef fold(x):\n    match x:\n        case [HELP]: return HELP",
    ],
)
def test_what_is_not_named_does_not_count(tmp_path: Path, fold: str) -> None:
    code = {"domain.py": fold, **FAR}
    assert not reaches(tmp_path, code, {"far/helper.py": "HELP = 2\nOTHER = 1"})


def test_modules_that_import_each_other_have_a_fingerprint(tmp_path: Path) -> None:
    code = {
        "domain.py": "from .other import step\ndef fold(): return step()\nBASE = 1",
        "other.py": "from . import domain\ndef step(): return domain.BASE, domain.fold",
    }
    changed_base = code["domain.py"].replace("BASE = 1", "BASE = 2")
    assert reaches(tmp_path, code, {"domain.py": changed_base})


def made_with(value: Any) -> Callable[[], Any]:
    def fold() -> Any:
        return value

    return fold


class Folder:
    """A rule that has values of its own."""

    def __init__(self, limit: int) -> None:
        self.limit = limit

    def fold(self) -> int:
        return self.limit


@pytest.mark.parametrize(
    "made",
    [
        made_with,
        lambda value: partial(made_with, value),
        lambda value: Folder(value).fold,
        lambda value: cache(made_with(value)),
        lambda value: made_with({"a": (value,)}),
        lambda value: made_with(frozenset({value})),
        lambda value: made_with(made_with(value)),
    ],
)
def test_a_function_counts_with_the_values_that_it_has_kept(made: Callable[[int], Any]) -> None:
    roots = [list(of(made(value), ())) for value in (1, 2, 1)]
    assert roots[0] == roots[2] != roots[1]

import re
import shutil
from pathlib import Path

import pytest

from tools.bootstrap import ROOT
from tools.fingerprints import fingerprint, fingerprints

DOMAIN = "chalicelib/bank/account/domain.py"
# The domain imports money, and kernel; kernel imports commit.
TWO_IMPORTS_AWAY = "chalicelib/leftfold/kernel/commit.py"


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """A copy of the code that a test may edit."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "chalicelib", tmp_path / "chalicelib", ignore=ignored)
    return tmp_path


def write(root: Path, modules: dict[str, str]) -> None:
    """Modules of a small chalicelib, by their path in it."""
    for name, text in {"__init__.py": "", **modules}.items():
        path = root / "chalicelib" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_every_category_has_a_fingerprint_of_32_hex_digits(code: Path) -> None:
    made = fingerprints(code)

    assert set(made) >= {"account"}
    assert all(re.fullmatch("[0-9a-f]{32}", value) for value in made.values())


def test_a_copy_elsewhere_has_the_same_fingerprints(code: Path) -> None:
    assert fingerprints(code) == fingerprints(ROOT)


def test_a_changed_helper_two_imports_away_counts(code: Path) -> None:
    before = fingerprints(code)

    replace(code / TWO_IMPORTS_AWAY, "LANES = 64", "LANES = 32")

    assert fingerprints(code)["account"] != before["account"]


def test_a_changed_constant_of_the_domain_counts(code: Path) -> None:
    before = fingerprints(code)

    replace(code / "chalicelib/bank/money.py", "10**18", "10**17")

    assert fingerprints(code)["account"] != before["account"]


def test_comments_docstrings_and_formatting_do_not_count(code: Path) -> None:
    before = fingerprints(code)

    for name in (DOMAIN, TWO_IMPORTS_AWAY):
        text = (code / name).read_text()
        text = text.replace('"""', '"""Said otherwise. ', 1).replace(" = ", "  =  ")
        (code / name).write_text(f"# a comment\n{text}\n\n# another\n")

    assert fingerprints(code) == before


def test_code_that_the_fold_does_not_import_does_not_count(code: Path) -> None:
    before = fingerprints(code)

    with (code / "chalicelib/bank/account/views.py").open("a") as views:
        views.write("\nADDED = 1\n")

    assert fingerprints(code) == before


@pytest.mark.parametrize(
    "statement",
    [
        "import chalicelib.far.helper",
        "from chalicelib.far import helper",
        "from chalicelib.far.helper import HELP",
        "from .far import helper",
        "from .far.helper import HELP",
        "def lazily():\n    from chalicelib.far.helper import HELP",
        "import chalicelib.between",
    ],
)
def test_every_way_to_import_is_followed(tmp_path: Path, statement: str) -> None:
    code = {
        "domain.py": statement,
        "between.py": "from .far.helper import HELP",
        "far/__init__.py": "",
        "far/helper.py": "HELP = 1",
    }
    write(tmp_path, code)
    before = fingerprint(tmp_path, "chalicelib.domain")

    write(tmp_path, code | {"far/helper.py": "HELP = 2"})

    assert fingerprint(tmp_path, "chalicelib.domain") != before


PACKAGED = {
    "far/__init__.py": "",
    "far/helper.py": "",
    "far/added.py": "",
}


def test_a_package_that_is_imported_by_name_counts_with_all_that_it_imports(tmp_path: Path) -> None:
    code = {"domain.py": "from chalicelib.far import HELP", **PACKAGED}
    write(tmp_path, code | {"far/__init__.py": "from .added import HELP"})
    before = fingerprint(tmp_path, "chalicelib.domain")

    write(
        tmp_path, code | {"far/__init__.py": "from .added import HELP", "far/added.py": "HELP = 2"}
    )

    assert fingerprint(tmp_path, "chalicelib.domain") != before


def test_a_package_does_not_count_because_a_module_in_it_does(tmp_path: Path) -> None:
    code = {"domain.py": "import chalicelib.far.helper", **PACKAGED}
    write(tmp_path, code)
    before = fingerprint(tmp_path, "chalicelib.domain")

    write(tmp_path, code | {"far/__init__.py": "from . import added"})

    assert fingerprint(tmp_path, "chalicelib.domain") == before


@pytest.mark.parametrize(
    "edited",
    [
        "chalicelib/bank/contexts.py",
        "chalicelib/bank/account/__init__.py",
        "chalicelib/bank/account/http/__init__.py",
        "chalicelib/bank/account/http/accounts.py",
        "chalicelib/leftfold/http/commands.py",
    ],
)
def test_an_edited_route_or_list_of_contexts_discards_no_snapshot(code: Path, edited: str) -> None:
    before = fingerprints(code)

    with (code / edited).open("a") as module:
        module.write("\nADDED = 1\n")

    assert fingerprints(code) == before


def test_modules_that_import_each_other_have_a_fingerprint(tmp_path: Path) -> None:
    write(
        tmp_path,
        {"domain.py": "from . import other", "other.py": "from . import domain"},
    )

    assert fingerprint(tmp_path, "chalicelib.domain")

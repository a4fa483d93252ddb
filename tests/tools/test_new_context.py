"""`leftfold new-context` writes a context that works, or nothing."""

import json
import shutil
import zipfile
from pathlib import Path

import pytest

from tests.tree import Tree, copied
from tools.bootstrap import ROOT, STATE
from tools.domain_package import DomainError, domain_package
from tools.new_context import NewContextError, new_context, plural, with_context
from tools.package import package

LISTING = ROOT / "chalicelib" / "bank" / "contexts.py"


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    """A copy of the tree with a new context in it."""
    made = copied(tmp_path_factory.mktemp("new-context") / "tree")
    made.run("./leftfold new-context loan && ./leftfold resources && ./leftfold event-model")
    return made


@pytest.mark.slow
def test_a_new_context_passes_its_own_tests(tree: Tree) -> None:
    assert "6 passed" in tree.run(".leftfold/venv/bin/pytest -q tests/bank/test_loan.py")


@pytest.mark.slow
def test_a_new_context_is_in_the_style_of_the_others(tree: Tree) -> None:
    tree.run(
        ".leftfold/venv/bin/ruff check && .leftfold/venv/bin/ruff format --check"
        " && .leftfold/venv/bin/lint-imports"
    )


@pytest.mark.slow
def test_a_new_context_passes_the_tests_of_every_domain(tree: Tree) -> None:
    tree.run(".leftfold/venv/bin/pytest -q tests/test_refusals.py tests/test_imports.py")


@pytest.mark.slow
def test_a_new_context_has_a_function_a_table_and_permissions(tree: Tree) -> None:
    resources = json.loads(tree.read("infra/resources.json"))["Resources"]
    assert {"Loans", "LoansLog", "LoansTable", "LoansLagAlarm"} <= set(resources)
    stages = json.loads(tree.read(".chalice/config.json"))["stages"]
    functions = stages["dev"]["lambda_functions"]
    assert functions["loans"] == {"iam_policy_file": "iam/loans.json"}
    assert "table/${AWS::StackName}-loans" in tree.read(".chalice/iam/loans.json")


@pytest.mark.slow
def test_a_new_context_is_packaged(tree: Tree, tmp_path: Path) -> None:
    package("dev", lambda _: None)  # so that the dependencies are there to be copied
    shutil.copytree(STATE / "build" / "vendor", tmp_path / "vendor")
    shutil.copy(STATE / "build" / "vendor.stamp", tmp_path / "vendor.stamp")

    made = package("dev", lambda _: None, tree.root, tmp_path)

    template = json.loads(made.template.read_text())["Resources"]
    assert template["Loans"]["Properties"]["Handler"] == "chalicelib.functions.loans"
    with zipfile.ZipFile(made.zip) as contents:
        assert "chalicelib/bank/loan/domain.py" in contents.namelist()
        made_of = json.loads(contents.read("chalicelib/fingerprints.json"))
        assert "loan" in made_of["folds"]
        assert "loans" in made_of["views"]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("Loan", "'Loan' cannot name a context; take one word"),
        ("library-card", "'library-card' cannot name a context; take one word"),
        ("9lives", "'9lives' cannot name a context"),
        ("a" * 25, "cannot name a context; take one word of at most 24"),
        ("class", "'class' is a word of Python itself; choose another name"),
        ("match", "'match' is a word of Python itself; choose another name"),
        ("list", "'list' is a word of Python itself; choose another name"),
        ("codec", "'codec' means something else in the files of a context"),
        ("money", "chalicelib/bank/money.py exists; choose another name"),
        ("account", "'account' is a category of streams already"),
        ("balance", "its view 'balances' would be named like another function"),
    ],
)
def test_a_name_that_cannot_be_is_refused_with_the_cure(name: str, says: str) -> None:
    before = sorted((ROOT / "chalicelib" / "bank").rglob("*.py")), LISTING.read_text()
    with pytest.raises(NewContextError) as refused:
        new_context(name)
    assert says in str(refused.value)
    assert (sorted((ROOT / "chalicelib" / "bank").rglob("*.py")), LISTING.read_text()) == before


@pytest.mark.slow
def test_a_context_that_is_there_is_left_as_it_is(tree: Tree) -> None:
    before = tree.read("chalicelib/bank/loan/domain.py")
    said = tree.run("./leftfold new-context loan", fails=True)
    assert "'loan' is a category of streams already; choose another name" in said
    assert "Traceback" not in said
    assert tree.read("chalicelib/bank/loan/domain.py") == before


@pytest.mark.parametrize(
    ("singular", "several"),
    [("loan", "loans"), ("library", "libraries"), ("box", "boxes"), ("day", "days")],
)
def test_the_plural_names_view_and_path(singular: str, several: str) -> None:
    assert plural(singular) == several


@pytest.mark.parametrize(
    ("listed", "becomes"),
    [
        ("CONTEXTS = ()", "CONTEXTS = (LOAN,)"),
        ("CONTEXTS: tuple[Context, ...] = ()", "CONTEXTS: tuple[Context, ...] = (LOAN,)"),
        ("CONTEXTS = (CARD,)", "CONTEXTS = (CARD, LOAN)"),
        ("CONTEXTS = (\n    CARD,\n    ROOM,\n)", "CONTEXTS = (CARD, ROOM, LOAN)"),
    ],
)
def test_a_context_is_one_more_line_of_the_list(listed: str, becomes: str) -> None:
    text = with_context(f'"""Doc."""\n\n{listed}\n', "chalicelib.library", "loan", Path("x"))
    assert becomes in text
    assert "from chalicelib.library.loan import LOAN\n" in text


def test_a_package_without_a_list_of_contexts_is_told() -> None:
    with pytest.raises(NewContextError, match=r"x has no CONTEXTS = \(…\), the tuple"):
        with_context('"""Doc."""\n', "chalicelib.library", "loan", Path("x"))


def test_the_domain_is_found_where_the_application_names_it(tmp_path: Path) -> None:
    (tmp_path / "chalicelib").mkdir()
    named = tmp_path / "chalicelib" / "domain.py"
    named.write_text("from chalicelib.library import CONTEXTS\n")
    assert domain_package(tmp_path) == "chalicelib.library"
    named.write_text("DOMAIN = None\n")
    with pytest.raises(DomainError, match="imports no CONTEXTS; let it import them"):
        domain_package(tmp_path)

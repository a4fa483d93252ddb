"""The functions that the engine makes of a domain, and what each imports when it starts."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from chalicelib import functions
from chalicelib.domain import DOMAIN
from chalicelib.leftfold.functions import ENGINE, event_functions
from chalicelib.leftfold.kernel import Context, Domain, Policy, View
from chalicelib.leftfold.wiring.domain_index import IndexedDomain
from tools.bootstrap import ROOT
from tools.domain_index import path_of

# A function as Lambda imports it from the package, which has an index of the domain.
START = """
import sys
from pathlib import Path
from chalicelib.leftfold.wiring import domain_index
domain_index.INDEX = Path(sys.argv[1])
from chalicelib import functions
getattr(functions, sys.argv[2])
print(*sys.modules)
"""
# No function needs them when it starts.
HEAVY = {"chalice", "marshmallow", "opensearchpy", "boto3", "cryptography", "jwt", "msgspec"}
# The packages that a reader needs: its own, and those whose events it hears.
CONTEXTS = {
    "balances": {"account"},
    "trial_balance": {"ledger"},
    "transfers": {"account", "transfer"},
    "notify": {"account", "notices", "transfer"},
}


def imported(index: Path, function: str) -> set[str]:
    """The modules of a process that has imported one function."""
    done = subprocess.run(
        [sys.executable, "-B", "-c", START, str(index), function],
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return set(done.stdout.split())


def contexts(modules: set[str]) -> set[str]:
    """The folders of the domain's package that are among *modules*."""
    parts = (name.split(".") for name in modules if name.startswith("chalicelib.bank."))
    return {part[2] for part in parts} - {"money"}


@pytest.mark.parametrize("function", ENGINE)
def test_a_function_of_the_engine_starts_without_any_context(index: Path, function: str) -> None:
    modules = imported(index, function)
    assert not modules & HEAVY
    assert contexts(modules) == set()


@pytest.mark.parametrize(("function", "needed"), CONTEXTS.items(), ids=CONTEXTS)
def test_a_reader_starts_with_the_contexts_that_it_hears_alone(
    index: Path, function: str, needed: set[str]
) -> None:
    modules = imported(index, function)
    assert not modules & HEAVY
    assert contexts(modules) == needed


def test_the_index_leads_to_every_reader(index: Path) -> None:
    domain = IndexedDomain(json.loads(index.read_text()), lambda: DOMAIN)
    assert dict(domain.views) == dict(DOMAIN.views)
    assert dict(domain.policies) == dict(DOMAIN.policies)
    assert list(domain.fed_by_bus) == list(DOMAIN.fed_by_bus)
    assert domain.aggregates is DOMAIN.aggregates
    assert all(name in domain.views for name in DOMAIN.views)
    assert "no_such_view" not in domain.views
    assert domain.views.get("no_such_view") is None


def test_a_reader_that_is_no_modules_attribute_is_found_among_all_contexts() -> None:
    made = View("made", {}, lambda _: (), lambda row, *_: row, "documents")
    whole = Domain((Context(views=(made,)),))
    assert path_of(made, __name__) is None
    indexed = IndexedDomain(
        {"views": {"made": None}, "policies": {}, "fedByBus": []}, lambda: whole
    )
    assert indexed.views["made"] is made


@pytest.mark.parametrize("name", ["relay", "archive", "handler"])
def test_a_reader_that_is_named_like_something_of_the_engine_is_refused(name: str) -> None:
    domain = Domain((Context(policies=(Policy(name, (), lambda _: ()),)),))
    with pytest.raises(ValueError, match=f"'{name}' is a name of the engine's own"):
        event_functions(functions, domain)


def test_a_function_that_nobody_lists_is_not_there() -> None:
    assert not hasattr(functions, "no_such_view")

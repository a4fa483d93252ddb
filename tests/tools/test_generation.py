"""`leftfold generation plan` tells what would become of a log."""

from io import StringIO

from rich.console import Console

from chalicelib.leftfold.kernel import Boundaries, Context, Domain
from tests.generations.site import Site
from tests.teller import OPENING, credit
from tests.vaults import vault_of
from tools.bank.transforms import accounts_merged, cards_apart, interest_named
from tools.generation import described, plan, summary


def site() -> Site:
    made = Site()
    blue = made.teller("blue")
    for key in ("a", "b"):
        blue.do(OPENING, key)
        blue.do(credit(100), key)
    made.log(made.blue)
    return made


def shown(boundaries: Boundaries) -> str:
    faults, report = plan([site().blue.log], boundaries, vault_of())
    assert faults == []
    out = StringIO()
    Console(file=out, width=160).print(described(report))
    return f"{out.getvalue()}{summary(report, boundaries)}"


def test_a_plan_counts_what_every_category_would_have() -> None:
    text = shown(Boundaries([cards_apart()]))
    assert [
        line.split() for line in text.splitlines() if line.split()[:1] in (["account"], ["card"])
    ] == [
        ["account", "2", "4", "4"],
        ["card", "2", "4", "0"],
    ]
    assert "from 2 streams, 4 commits, 4 events" in text
    assert "no: the way back is a third generation" in text
    assert "at least 16 write units" in text
    assert "about 0 minutes of one copier, or 0 of 8 side by side" in text


def test_a_plan_says_that_there_is_a_way_back() -> None:
    assert "a way back: yes" in shown(Boundaries([interest_named()]))


def test_a_domain_has_the_boundaries_of_its_contexts() -> None:
    domain = Domain([Context(transforms=(accounts_merged({"b": "a"}),)), Context()])
    assert domain.boundaries.feeds("main/account-b") == ("main/account-a",)
    assert domain.boundaries.feeds("main/transfer-b") == ("main/transfer-b",)

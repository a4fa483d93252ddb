"""Whole changes over the DynamoDB adapters: there and back, a split, a merge; proved from the logs."""

from collections.abc import Iterator, Mapping

import pytest

from chalicelib.bank.account.domain import Open
from chalicelib.leftfold.generations.proof import prove
from chalicelib.leftfold.kernel import Boundaries, Transform
from chalicelib.leftfold.store.events import DynamoEvents
from chalicelib.leftfold.store.log import DynamoLog
from tests.contracts import moto
from tests.contracts.test_control import dynamo_control
from tests.generations.site import AGGREGATES, Site, truth_of
from tests.generations.test_proof import MONEY
from tests.teller import OPENING, credit, debit
from tests.vaults import vault_of
from tools.bank.transforms import accounts_merged, card, cards_apart, interest_named
from tools.tables import create_tables, log_tables

pytestmark = pytest.mark.slow

CHANGES: Mapping[str, tuple[Transform, ...]] = {
    "identity": (),
    "split": (cards_apart(),),
    "merge": (accounts_merged({"b": "a"}),),
    "events": (interest_named(),),
}


@pytest.fixture(params=CHANGES)
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    """Two generations in tables of their own."""
    with moto.in_process():
        client = moto.client("dynamodb")
        truths = {
            name: truth_of(
                name,
                DynamoEvents(client, f"{stack}-events"),
                DynamoLog(client, log_tables(stack)),
                first=name == "blue",
            )
            for name, stack in (("blue", create_tables(client)), ("green", create_tables(client)))
        }
        yield Site(
            Boundaries(CHANGES[request.param]),
            {**AGGREGATES, "card": card},
            dynamo_control(client),
            truths["blue"],
            truths["green"],
        )


def test_a_change_goes_over_and_is_proved(site: Site) -> None:
    blue = site.teller("blue")
    for key, opening in (("a", OPENING), ("b", OPENING), ("c", Open("Ada", "CZK", "credit-card"))):
        blue.do(opening, key)
        blue.do(credit(100), key, command_id=f"first-{key}")
    site.copy()
    blue.do(debit(30), "b", deps=(("main/account-a", 2),))
    site.switch()
    green = site.teller("green")
    if not site.boundaries.sources("main/account-b"):
        with pytest.raises(Exception, match="main/account-a"):
            green.do(credit(1), "b")
    green.do(credit(5), "a")
    site.take_all()
    site.log(site.blue)
    site.log(site.green)
    report = prove(site.blue.log, site.green.log, site.boundaries, MONEY, vault_of())
    assert list(report.differences()) == []
    assert (report.commits, report.native) == (7, 1)
    assert report.before == report.after == {"money": 270}
    assert green.do(credit(100), "a", command_id="first-a") <= 4
    if site.back is not None:
        site.switch()
        site.take_all()
        assert site.teller("blue").do(credit(1), "a") == 4

"""The proof that a generation shows what the log says, before it is activated."""

from datetime import timedelta

import pytest

from chalicelib.domain import DOMAIN
from chalicelib.leftfold.kernel import Context, Domain
from chalicelib.leftfold.projection.rows import Save
from chalicelib.leftfold.store.applications import Application, Known
from chalicelib.leftfold.store.ports import ParkedStream
from tests.http.conftest import Bank
from tests.tools.test_operations import log_only, services_of
from tools.cloud import DeployError
from tools.generation_check import check_release, is_right

SECONDS = timedelta(seconds=10)
A = "main/account-a"
# Personal ones: of others, a replay reads a log on DynamoDB.
VIEWS = ("ranking", "balances")
SMALL = Domain(
    (
        Context(
            aggregates=tuple(DOMAIN.aggregates.values()),
            views=tuple(DOMAIN.views[name] for name in VIEWS),
        ),
    )
)


def right(bank: Bank) -> bool:
    # What the check itself records is logged and passed as all else is.
    return is_right(services_of(bank, SMALL, log_table=bank.log), SECONDS, lambda _: bank.settle())


@pytest.fixture
def filled(bank: Bank) -> Bank:
    bank.open("a")
    bank.open("b")
    bank.settle()
    return bank


def test_a_generation_whose_rows_are_those_of_the_log_is_right(filled: Bank) -> None:
    assert right(filled)


@pytest.mark.parametrize("view", VIEWS)
def test_a_row_that_another_fold_has_made_is_found(filled: Bank, view: str) -> None:
    rows = filled.rows[view]
    key, stored = next(iter(rows.scan()))
    rows.save([Save(key, {**(stored.row or {}), "version": 99}, stored.position, stored)])
    assert not right(filled)


def test_a_row_that_is_missing_is_found(filled: Bank) -> None:
    rows = filled.rows["balances"]
    stored = rows.load([A])[A]
    rows.save([Save(A, None, stored.position, stored)])
    assert not right(filled)


def test_a_stream_that_is_parked_is_found(filled: Bank) -> None:
    filled.parking.park("balances", A, ParkedStream(0, 0, "reason"))
    assert not right(filled)


def test_a_view_that_is_behind_for_long_is_found(filled: Bank) -> None:
    filled.open("c")
    log_only(filled)
    filled.clock.forward(seconds=11)
    assert not right(filled)


@pytest.mark.parametrize("most_behind", [10, 300])
def test_a_view_has_as_long_to_catch_up_as_it_may_be_behind_and_half_a_minute(
    filled: Bank, most_behind: int
) -> None:
    filled.open("c")
    log_only(filled)
    waited: list[float] = []
    services = services_of(filled, SMALL, log_table=filled.log)
    assert not is_right(services, timedelta(seconds=most_behind), waited.append)
    assert sum(waited) == len(VIEWS) * max(30, most_behind)


def test_only_the_release_that_made_the_rows_can_prove_them() -> None:
    known = Known({"green": Application("green", (), {"sums": "1", "list": "1"})}, None)
    check_release(known, "green", {"sums": "1", "list": "1"})
    for folds in (
        {"sums": "2", "list": "1"},
        {"list": "1"},
        {"sums": "1", "list": "1", "new": "1"},
    ):
        with pytest.raises(DeployError, match="another fold than that of this tree has made: "):
            check_release(known, "green", folds)

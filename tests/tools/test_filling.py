"""`leftfold fill` says before what it will take."""

import pytest
from click.testing import CliRunner

from chalicelib.leftfold.kernel import Context, Domain
from chalicelib.leftfold.wiring.services import Services
from chalicelib.leftfold.wiring.settings import Settings
from tests.application import still
from tests.clock import Clock
from tests.projection.runners import Runners
from tests.projection.test_filling import fill_of, filled, story
from tests.projection.views import additions, piles
from tools import filling
from tools.fill_estimate import estimate
from tools.filling import fill_command
from tools.prices import prices
from tools.stages import stages


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Runners:
    """A log of 30 commits that no view has read, behind the services that the command asks."""
    made = Runners(story())
    services = Services(
        Settings({"LEFTFOLD_STACK": "made"}),
        Domain((Context(views=(piles, additions)),)),
        log=made.story.log,
        checkpoints=made.checkpoints,
        parking=made.parking,
        rows=lambda _view: made.rows,
        clock=Clock(),
        pause=still,
    )
    monkeypatch.setattr(Services, "replayed_log", made.story.log)
    monkeypatch.setattr(filling, "chosen", lambda *_: services)
    return made


def test_a_dry_run_says_what_a_fill_takes_and_begins_nothing(site: Runners) -> None:
    answer = CliRunner().invoke(fill_command, ["additions", "--dry-run", "--workers", "2"])
    assert answer.exit_code == 0, answer.output
    assert "at list prices on AWS, about" in answer.output
    assert "$0.00" in answer.output
    assert site.checkpoints.read(additions.fill_name, [0]) == {0: -1}
    assert list(site.rows.scan()) == []


@pytest.mark.usefixtures("site")
def test_an_unknown_view_is_refused_with_those_that_there_are() -> None:
    answer = CliRunner().invoke(fill_command, ["none"])
    assert answer.exit_code == 2
    assert "the views are piles, additions" in answer.output


def test_an_estimate_counts_events_rows_and_units() -> None:
    site = Runners(story())
    fill = fill_of(site, additions)
    made = estimate(fill, fill.planned(), 2, 0)
    filled(fill)
    rows = sum(1 for _ in site.rows.scan())
    assert (made.positions, made.events) == (30, 30)
    assert (made.rows, made.units, made.reads) == (rows, rows, 0)
    assert estimate(fill, fill.planned(), 2, 0).positions == 0


def test_each_part_by_lanes_reads_the_whole_log_and_a_budget_takes_its_time() -> None:
    fill = fill_of(Runners(story()), piles)
    plan = fill.planned()
    made = estimate(fill, plan, 2, 0.5)
    assert made.positions == 30 * len(plan.parts)
    assert made.rows == made.reads <= 30
    assert made.seconds >= made.units / 0.5
    written = made.units * prices()["dynamodb_write"].price
    assert made.cost(piles, 1, stages()["prod"], prices()) > written

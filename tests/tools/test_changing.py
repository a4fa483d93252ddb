"""The steps of a change, as far as they need no cloud: what is allowed, and what people are told."""

from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from chalicelib.leftfold.generations.control import Control, DynamoControl, WrongStateError
from chalicelib.leftfold.generations.memory import MemoryControl
from chalicelib.leftfold.generations.operating import Status, Taken, abandon
from chalicelib.leftfold.kernel import Boundaries, Transform
from chalicelib.leftfold.store.checkpoints import DynamoCheckpoints
from chalicelib.leftfold.store.logs import record_logs
from tests.contracts import moto
from tests.generations.site import Site
from tests.teller import OPENING, credit
from tools.applications import register
from tools.bank.transforms import cards_apart
from tools.bootstrap import ROOT
from tools.changing import (
    begin,
    check_boundaries,
    check_droppable,
    create_beside,
    described,
    estimate,
    is_ready,
)
from tools.cloud import Cloud, DeployError
from tools.deploy import applications, check_not_gone, read
from tools.generations import create
from tools.resources import TEMPLATE, TRUTH_TEMPLATE
from tools.stages import stage
from tools.tables import create_tables
from tools.uploading import Uploads

ACCESS_OUTPUTS = ("TokenIssuer", "TokenKeys", "TokenAudience")
BLUE, GREEN = "leftfold-dev", "leftfold-dev--green"


def control(state: str = "replicating", switch: int = 0) -> Control:
    return Control(BLUE, GREEN, state, switch)  # type: ignore[arg-type]


def test_a_change_begins_once_however_often_it_is_begun() -> None:
    table = MemoryControl()
    for _ in range(2):
        assert begin(table, BLUE, GREEN) == control()
    with pytest.raises(WrongStateError, match="green is replicating; finish or abandon it"):
        begin(table, BLUE, "leftfold-dev--red")


def test_an_abandoned_name_is_not_begun_again() -> None:
    table = MemoryControl()
    begin(table, BLUE, GREEN)
    for _ in range(2):
        assert abandon(table).state == "abandoned"
    with pytest.raises(WrongStateError, match="used before"):
        begin(table, BLUE, GREEN)
    assert begin(table, BLUE, "leftfold-dev--red").past == (GREEN,)


def test_nothing_is_abandoned_where_nothing_was_begun() -> None:
    with pytest.raises(WrongStateError, match="generation create NAME --transform"):
        abandon(MemoryControl())


@pytest.mark.parametrize(
    ("state", "truth", "says"),
    [
        (None, BLUE, "the only truth"),
        (control(), BLUE, "is active"),
        (control(), GREEN, "a change that is replicating"),
        (control("switching", 1), BLUE, "a change that is switching"),
        (control("finished", 1), GREEN, "is active"),
        (control("finished", 1), "leftfold-dev--red", "the only truth"),
    ],
)
def test_a_truth_that_somebody_needs_is_not_dropped(
    state: Control | None, truth: str, says: str
) -> None:
    with pytest.raises(DeployError, match=says):
        check_droppable(state, truth)


@pytest.mark.parametrize(
    ("state", "truth"),
    [
        (control("finished", 1), BLUE),
        (control("finished", 2), GREEN),
        (control("abandoned"), GREEN),
    ],
)
def test_a_truth_that_nobody_needs_may_be_dropped(state: Control, truth: str) -> None:
    assert check_droppable(state, truth) == state


def live() -> Site:
    site = Site(Boundaries([cards_apart()]))
    for key in "ab":
        site.teller("blue").do(OPENING, key)
    site.teller("blue").do(credit(1))
    site.log(site.blue)
    return site


def test_an_estimate_counts_what_the_log_has() -> None:
    made = estimate([live().blue.log])
    assert (made.commits, made.streams, made.units) == (3, 2, 10)
    assert "3 commits in 2 streams: at least 10 write units, $0.00" in str(made)


def test_transforms_that_contradict_each_other_are_refused_before_anything_is_made() -> None:
    log = live().blue.log
    check_boundaries(Boundaries([cards_apart()]), [log])
    wrong = Transform(
        "account", ("card",), lambda s: (s._replace(category="card"),), lambda _: (), lambda _: ()
    )
    with pytest.raises(DeployError, match="does not name it among its sources"):
        check_boundaries(Boundaries([wrong]), [log])


LEFT, ALL = Taken(1, 7, (2,)), Taken(1, 9, ())


@pytest.mark.parametrize(
    ("status", "ready"),
    [
        (Status(control(), 1_000, (), LEFT), True),
        (Status(control(), 1_001, (), LEFT), False),
        (Status(control(), 0, ("main/account-a",), LEFT), False),
        (Status(control("switching", 1), 0, (), LEFT), False),
        (Status(control("switching", 1), 0, (), ALL), True),
        (Status(control("finished", 1), 0, (), LEFT), True),
    ],
)
def test_the_next_step_may_be_taken_once_this_one_is_done(status: Status, *, ready: bool) -> None:
    assert is_ready(status) == ready


class There:
    """Stacks of which some are there. The first truth's control is in *table*."""

    def __init__(self, *names: str) -> None:
        self.names = names
        self.cloud = Cloud("http://127.0.0.1:1")

    def find(self, name: str) -> object:
        return name if name in self.names else None


def test_a_generation_keeps_the_truth_that_it_was_made_with() -> None:
    made: Any = None
    found = stage("dev")
    beside: Any = There(GREEN, f"{GREEN}-truth")
    with pytest.raises(DeployError, match="create green --transform"):
        create(made, found, "green", beside)
    alone: Any = There(GREEN)
    with pytest.raises(DeployError, match="is a generation on another truth"):
        create_beside(made, found, GREEN, alone, lambda _: True)


class Brought(There):
    """Stacks on moto that note what each template is given; a truth's tables are made with it."""

    def __init__(self, *names: str, active: str = BLUE) -> None:
        super().__init__(*names)
        self.cloud = Cloud()
        self.active = active
        self.given: dict[str, dict[str, str]] = {}

    def parameters(self, stack: str) -> dict[str, str]:
        assert stack == self.active
        return {"MailFrom": "bank@example.com", "Memory": "1"}

    def outputs(self, stack: str) -> dict[str, str]:
        truth = stack.removesuffix("-truth")
        return {
            f"{BLUE}-stage": {
                name: name for name in ("PersonalDataKey", *ACCESS_OUTPUTS, "TenantClaim")
            },
            f"{truth}-truth": {
                **{name: name for name in ("SearchEndpoint", "SearchArn")},
                "ArchiveBucket": f"archive of {truth}",
                "Truth": truth,
            },
            self.active: {"Ordinal": "1"},
        }[stack]

    def bring(self, stack: str, _template: str, given: dict[str, str]) -> bool:
        made = read(TRUTH_TEMPLATE if stack.endswith("-truth") else TEMPLATE)["Parameters"]
        assert [name for name in made if "Default" not in made[name] and name not in given] == []
        if stack not in self.given and stack.endswith("-truth"):
            create_tables(self.cloud.client("dynamodb"), stack.removesuffix("-truth"))
        self.given[stack] = {name: given[name] for name in made if name in given}
        self.names = (*self.names, stack)
        return True


def test_a_generation_on_the_same_truth_is_told_all_that_its_template_asks_for(
    monkeypatch: pytest.MonkeyPatch, package: Any
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", moto.REGION)
    with moto.in_process():
        stacks: Any = Brought(f"{BLUE}-stage", f"{BLUE}-truth", BLUE)
        create_tables(stacks.cloud.client("dynamodb"), BLUE)
        Uploads(stacks.cloud, BLUE).make_bucket()
        assert create(package, stage("dev"), "green", stacks) == GREEN
    told = stacks.given[GREEN]
    assert (told["Truth"], told["Earlier"], told["FedByBus"]) == (BLUE, "", "false")
    assert told["MailFrom"] == "bank@example.com"


@pytest.mark.slow
def test_a_generation_is_told_what_the_active_one_was_told_once_the_first_one_is_gone(
    monkeypatch: pytest.MonkeyPatch, package: Any
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", moto.REGION)
    red = "leftfold-dev--red"
    with moto.in_process():
        stacks: Any = Brought(f"{BLUE}-stage", f"{BLUE}-truth", red, active=red)
        create_tables(stacks.cloud.client("dynamodb"), BLUE)
        register(applications(BLUE, stacks.cloud), red, {})
        Uploads(stacks.cloud, BLUE).make_bucket()
        assert create(package, stage("dev"), "green", stacks) == GREEN
        assert stacks.given[GREEN]["MailFrom"] == "bank@example.com"
        # It is deployed again once it is active, and stays fed by the bus.
        assert applications(BLUE, stacks.cloud).activate(GREEN, red)
        stacks.active = GREEN
        create(package, stage("dev"), "green", stacks)
    assert stacks.given[GREEN]["FedByBus"] == "true"


@pytest.fixture
def package(tmp_path: Path) -> Any:
    """A package without any code in it."""
    zipped = tmp_path / "made.zip"
    zipped.write_bytes(b"zip")
    return SimpleNamespace(
        zip=zipped,
        fingerprint="1",
        truth_zip=zipped,
        truth_fingerprint="2",
        # Any template: what each of them needs is looked up below.
        template=ROOT / TRUTH_TEMPLATE,
        architecture="arm64",
        folds={"balances": "1"},
    )


@pytest.mark.slow
def test_a_later_generation_is_told_of_the_earlier_one_and_what_that_was_told(
    monkeypatch: pytest.MonkeyPatch, package: Any
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", moto.REGION)
    with moto.in_process():
        stacks: Any = Brought(f"{BLUE}-stage", f"{BLUE}-truth")
        create_tables(stacks.cloud.client("dynamodb"), BLUE)
        table = DynamoControl(stacks.cloud.client("dynamodb"), f"{BLUE}-control")
        assert table.change(None, Control(BLUE, GREEN, "replicating", 0, ("leftfold-dev--red",)))
        name = f"{BLUE}-policy-checkpoints"
        record_logs(DynamoCheckpoints(stacks.cloud.client("dynamodb"), name), 4)
        Uploads(stacks.cloud, BLUE).make_bucket()
        # Run again, it deploys the present code, and asks nothing.
        for _ in range(2):
            create_beside(package, stage("dev"), GREEN, stacks, lambda _: False)
        assert set(stacks.given) == {GREEN, f"{GREEN}-truth"}
        told = stacks.given[GREEN]
        known = applications(GREEN, stacks.cloud).known()
    assert (told["Earlier"], told["EarlierArchive"], told["Ordinal"]) == (
        *(BLUE, f"archive of {BLUE}"),
        "2",
    )
    assert told["EarlierLogs"] == "4"
    assert (told["Truth"], told["ArchiveBucket"]) == (GREEN, f"archive of {GREEN}")
    assert (told["MailFrom"], "Memory" in told) == ("bank@example.com", False)
    assert (known.active, known.applications[GREEN].folds) == (GREEN, {"balances": "1"})


def test_a_later_generation_is_deployed_again_once_the_earlier_truth_is_dropped(
    monkeypatch: pytest.MonkeyPatch, package: Any
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", moto.REGION)
    with moto.in_process():
        stacks: Any = Brought(f"{BLUE}-stage", GREEN, f"{GREEN}-truth", active=GREEN)
        create_tables(stacks.cloud.client("dynamodb"), BLUE)
        create_tables(stacks.cloud.client("dynamodb"), GREEN)
        register(applications(GREEN, stacks.cloud), GREEN, {})
        table = DynamoControl(stacks.cloud.client("dynamodb"), f"{BLUE}-control")
        assert table.change(None, control("finished", 1))
        Uploads(stacks.cloud, BLUE).make_bucket()
        stacks.given[f"{GREEN}-truth"] = {}
        create_beside(package, stage("dev"), GREEN, stacks, lambda _: False)
    told = stacks.given[GREEN]
    # It asks nobody for streams any more, and knows that it is not the first.
    assert (told["Earlier"], told["EarlierArchive"], told["Ordinal"]) == ("", "", "1")
    assert told["MailFrom"] == "bank@example.com"


def test_a_first_truth_that_was_dropped_is_not_made_anew() -> None:
    with moto.in_process():
        client = moto.client("dynamodb")
        create_tables(client, BLUE)
        gone: Any = There(f"{BLUE}-stage")
        gone.cloud = SimpleNamespace(client=lambda _service: client)
        check_not_gone(stage("dev"), gone)
        table = DynamoControl(client, f"{BLUE}-control")
        assert table.change(None, control("finished", 1))
        with pytest.raises(DeployError, match="leftfold-dev--green has the events of this stage"):
            check_not_gone(stage("dev"), gone)
        check_not_gone(stage("dev"), There(f"{BLUE}-stage", f"{BLUE}-truth"))  # type: ignore[arg-type]


def test_a_status_tells_where_a_change_stands() -> None:
    status = Status(control("switching", 1), 7, ("main/account-a",), Taken(1, 1200, ()))
    out = StringIO()
    Console(file=out, width=120).print(described(status))
    text = " ".join(out.getvalue().split())
    assert "state switching, switch 1" in text
    assert f"active {GREEN}" in text
    assert "copier behind 7 positions" in text
    assert "taken in the background 1,200 streams, all of them" in text

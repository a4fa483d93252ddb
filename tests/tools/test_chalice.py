"""The way by Chalice: what `deploy`, `provision --after` and `delete` make, and what remains."""

import json
import subprocess
import sys
from pathlib import Path
from shutil import copyfile, copytree, ignore_patterns
from typing import Any

import pytest

from app import API as SERVED
from app import app
from chalicelib.domain import DOMAIN
from chalicelib.leftfold.functions import FOLLOWING
from chalicelib.leftfold.http import live
from tests.tools import chalice_on_moto
from tests.tools.test_stages import CHALICE, FACTS, MADE
from tools.bootstrap import ROOT
from tools.deploy import read
from tools.provisioned import write_down
from tools.resources import TEMPLATE
from tools.resources.edge import API_STAGE, GATEWAY_RESPONSES
from tools.resources.files import config, iam_file, permissions, variables
from tools.stages import FILE, running
from tools.warm import ALIAS

pytestmark = pytest.mark.slow

API = FACTS["Application"]


@pytest.fixture(scope="module")
def states(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What there is after a deploy, `provision --after`, the same with an alias, another deploy, and the
    delete.
    """
    root = provisioned_tree(tmp_path_factory.mktemp("tree"))
    done = subprocess.run(
        [sys.executable, "-m", chalice_on_moto.__name__, str(root)],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def provisioned_tree(root: Path) -> Path:
    """A tree as `leftfold provision --stage dev` leaves it, without packages to download."""
    copytree(ROOT / "chalicelib", root / "chalicelib", ignore=ignore_patterns("__pycache__"))
    copyfile(ROOT / "app.py", root / "app.py")
    (root / "requirements.txt").touch()
    write_down("dev", FACTS, root)
    policies = {Path(iam_file(f, "dev")): permissions(f, FACTS) for f in MADE}
    made = config(read(TEMPLATE), MADE, [CHALICE], {"dev": FACTS})
    for path, text in {Path("config.json"): made, **policies}.items():
        (root / ".chalice" / path).parent.mkdir(parents=True, exist_ok=True)
        (root / ".chalice" / path).write_text(json.dumps(text))
    copyfile(ROOT / FILE, root / FILE)
    return root


@pytest.fixture
def deployed(states: list[dict[str, Any]]) -> dict[str, Any]:
    return states[0]


def test_every_function_is_made_with_the_names_of_its_stage(deployed: dict[str, Any]) -> None:
    names = {API if made.name == "api_handler" else f"{API}-{made.name}" for made in MADE}
    assert set(deployed["functions"]) == names
    for function in deployed["functions"].values():
        assert function["Environment"]["Variables"] == variables(read(TEMPLATE), FACTS)
        assert (function["Runtime"], function["MemorySize"]) == (running(), CHALICE.memory)
        assert function["Architectures"] == [CHALICE.architecture]
    assert deployed["concurrency"] == {
        API: CHALICE.api_concurrency,
        f"{API}-feed": CHALICE.feed_concurrency,
    }


def test_every_function_may_do_what_its_file_says(deployed: dict[str, Any]) -> None:
    for made in MADE:
        name = API if made.name == "api_handler" else f"{API}-{made.name}"
        role = deployed["functions"][name]["Role"]
        assert deployed["roles"][role] == permissions(made, FACTS)


def test_every_route_of_the_app_leads_to_a_function(deployed: dict[str, Any]) -> None:
    (api,) = deployed["apis"].values()
    served = {f"{method} {path}" for path, methods in app.routes.items() for method in methods}
    assert served <= set(api["routes"])
    assert {called for route, called in api["routes"].items() if route in served} == {API}
    assert list(api["stages"]) == [API_STAGE]


def test_the_bus_feeds_its_views_and_the_clock_starts_the_rest(deployed: dict[str, Any]) -> None:
    fed = {f"{API}-{name}" for name, view in DOMAIN.views.items() if view.fed == "bus"}
    assert {function for function, _ in deployed["sources"]} == fed
    assert {arn.rpartition("/")[2] for _, arn in deployed["sources"]} == {f"{API}-bus"}
    assert {name.removeprefix(f"{API}-").partition("-")[0] for name in deployed["rules"]} == {
        "deadlines",
        "forget",
        "purge",
    }


def test_what_chalice_cannot_set_is_set_after_it(states: list[dict[str, Any]]) -> None:
    before, after, *_ = states
    assert (before["wakes"], next(iter(before["apis"].values()))["answers"]) == ({}, {})
    woken = (*DOMAIN.views, *DOMAIN.policies, *FOLLOWING)
    assert set(after["wakes"]) == {f"{API}-{name}" for name in woken}
    assert set(after["wakes"].values()) == {0}
    assert before["callers_of_feed"] == []
    assert set(after["callers_of_feed"]) == {"apigateway.amazonaws.com"}
    ((name, api),) = after["apis"].items()
    # What is set is of no use before a deployment: twice, since it was set twice.
    assert api["deployments"] == next(iter(before["apis"].values()))["deployments"] + 2
    # As the alarm on it says.
    assert name == API
    assert api["answers"] == {kind: status for kind, (status, _, _) in GATEWAY_RESPONSES.items()}
    (every,) = api["stages"][API_STAGE].values()
    bounds = every["throttlingRateLimit"], every["throttlingBurstLimit"]
    assert bounds == (float(FACTS["ThrottleRate"]), int(FACTS["ThrottleBurst"]))
    waiting = {f"{method} /log" for method in ("GET", "HEAD")}
    assert waiting <= {route for route, called in api["routes"].items() if called == f"{API}-feed"}
    others = {called for route, called in api["routes"].items() if not led_to_feed(route)}
    assert others == {API}


def test_where_processes_are_ready_the_routes_lead_to_their_alias(
    states: list[dict[str, Any]],
) -> None:
    cold, warm = (next(iter(state["apis"].values()))["routes"] for state in states[1:3])
    served = {f"{method} {path}" for path, methods in app.routes.items() for method in methods}
    assert {route: called for route, called in warm.items() if route in served} == {
        route: called if led_to_feed(route) else f"{API}:{ALIAS}"
        for route, called in cold.items()
        if route in served
    }


def led_to_feed(route: str) -> bool:
    """Whether a route is one of those that wait."""
    method, _, path = route.partition(" ")
    waiting = {r.path for r in SERVED.routes if r.function == "feed"} | {live.PATH}
    return path in waiting and method in live.METHODS


def test_deploying_again_makes_nothing_new(states: list[dict[str, Any]]) -> None:
    first, _, _, again, _ = states
    for part in ("roles", "sources", "rules", "buses"):
        assert again[part] == first[part]
    assert set(again["functions"]) == set(first["functions"])
    before, after = (next(iter(state["apis"].values())) for state in (first, again))
    assert (after["routes"], len(again["apis"])) == (before["routes"], 1)
    assert {f["Role"] for f in again["functions"].values()} == set(first["roles"])


def test_deleting_takes_all_that_was_made_and_nothing_else(states: list[dict[str, Any]]) -> None:
    left = states[-1]
    assert [left[part] for part in ("functions", "roles", "sources", "rules", "apis")] == [
        {},
        {},
        [],
        {},
        {},
    ]
    assert left["buses"] == [f"{API}-bus"]

"""What the API depends on, asked one by one."""

import json
from typing import Any

import pytest

from chalicelib.domain import DOMAIN
from chalicelib.leftfold.generations.memory import MemoryControl
from chalicelib.leftfold.projection.memory import MemoryRows
from chalicelib.leftfold.store.checkpoints import RoutedCheckpoints, RoutedParking
from chalicelib.leftfold.store.memory import (
    MemoryCheckpoints,
    MemoryEffects,
    MemoryEvents,
    MemoryLog,
    MemoryParking,
    MemorySecrets,
)
from chalicelib.leftfold.store.ports import Unavailable
from chalicelib.leftfold.subjects.memory import MemoryKeys
from chalicelib.leftfold.wiring.services import Services
from chalicelib.leftfold.wiring.settings import Settings
from tests.clock import Clock
from tools.bootstrap import ROOT

DOCUMENTS = [name for name, view in DOMAIN.views.items() if view.store == "documents"]
KINDS = ("view", "policy")
STORED_VIEWS = {view.stored_name for view in DOMAIN.views.values()}
# Each dependency, the part that asks it, and with which call.
ASKED = {
    "events": ("events", "newest"),
    "log": ("log", "head"),
    "bodies": ("log", "blocks"),
    "streams": ("log", "streams"),
    "control": ("control", "read"),
    "subjects": ("data_keys", "find"),
    "secrets": ("secrets", "secret"),
    "effects": ("effects", "find"),
    "view-checkpoints": ("view-checkpoints", "read"),
    "view-parked": ("view-parked", "find"),
    "policy-checkpoints": ("policy-checkpoints", "read"),
    "policy-parked": ("policy-parked", "find"),
    "search": ("search", "load"),
    **{name: (name, "load") for name in DOCUMENTS},
}


class Down:
    """Any port, one call of which is never answered."""

    def __init__(self, port: Any, call: str) -> None:
        self._port = port
        self._call = call

    def __getattr__(self, name: str) -> Any:
        if name == self._call:
            return self._refuse
        return getattr(self._port, name)

    def _refuse(self, *_args: Any, **_kwargs: Any) -> None:
        raise Unavailable("time-out")


def services(down: str | None = None) -> Services:
    """Services over memory; the dependency *down* does not answer."""
    parts: dict[str, Any] = {
        "events": MemoryEvents(),
        "log": MemoryLog(),
        "control": MemoryControl(),
        "data_keys": MemoryKeys(),
        "secrets": MemorySecrets(),
        "effects": MemoryEffects(Clock()),
        **{f"{kind}-checkpoints": MemoryCheckpoints() for kind in KINDS},
        **{f"{kind}-parked": MemoryParking() for kind in KINDS},
        "search": MemoryRows(),
        **{name: MemoryRows() for name in DOCUMENTS},
    }
    if down is not None:
        part, call = ASKED[down]
        parts[part] = Down(parts[part], call)
    rows = {view: parts.pop(view) for view in DOCUMENTS}
    search = parts.pop("search")
    checkpoints = [parts.pop(f"{kind}-checkpoints") for kind in KINDS]
    parking = [parts.pop(f"{kind}-parked") for kind in KINDS]
    parts["checkpoints"] = RoutedCheckpoints(
        lambda reader: (checkpoints[reader not in STORED_VIEWS], reader)
    )
    parts["parking"] = RoutedParking(
        lambda reader: (parking[reader not in STORED_VIEWS], reader),
        lambda: [("", store) for store in parking],
    )
    return Services(
        Settings({}), DOMAIN, rows=rows.__getitem__, search_rows=lambda _view: search, **parts
    )


def test_all_that_answers_is_well() -> None:
    assert services().health() == dict.fromkeys(ASKED, True)


@pytest.mark.parametrize("down", ASKED)
def test_what_does_not_answer_is_named_and_nothing_else(down: str) -> None:
    assert services(down).health() == dict.fromkeys(ASKED, True) | {down: "Unavailable: time-out"}


def test_every_table_that_the_api_may_use_is_asked() -> None:
    policy = json.loads((ROOT / ".chalice/iam/api.json").read_text())
    tables = {
        resource["Fn::Sub"].rpartition("}-")[2]
        for statement in policy["Statement"]
        if "Action" in statement
        if any(action.startswith("dynamodb:") for action in statement["Action"])
        for resource in statement["Resource"]
    }
    asked = {name.replace("_", "-") for name in services().health()}
    # Without its counts the API goes on, and admits everybody.
    assert tables - {"requests"} | {"search"} == asked

"""What the API depends on, asked one by one."""

import json
from typing import Any

import pytest

from chalicelib.domain import DOMAIN
from chalicelib.leftfold.projection.memory import MemoryRows
from chalicelib.leftfold.store.memory import (
    MemoryCheckpoints,
    MemoryEvents,
    MemoryLog,
    MemoryParking,
)
from chalicelib.leftfold.store.ports import Unavailable
from chalicelib.leftfold.subjects.memory import MemoryKeys
from chalicelib.leftfold.wiring.services import Services
from chalicelib.leftfold.wiring.settings import Settings
from tools.bootstrap import ROOT

DOCUMENTS = [name for name, view in DOMAIN.views.items() if view.store == "documents"]
# Each dependency, the part that asks it, and with which call.
ASKED = {
    "events": ("events", "newest"),
    "log": ("log", "head"),
    "bodies": ("log", "blocks"),
    "streams": ("log", "streams"),
    "subjects": ("data_keys", "find"),
    "view-checkpoints": ("checkpoints", "read"),
    "view-parked": ("parking", "find"),
    "policy-checkpoints": ("checkpoints", "note"),
    "policy-parked": ("parking", "all"),
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
        "checkpoints": MemoryCheckpoints(),
        "parking": MemoryParking(),
        "data_keys": MemoryKeys(),
        "search": MemoryRows(),
        **{name: MemoryRows() for name in DOCUMENTS},
    }
    if down is not None:
        part, call = ASKED[down]
        parts[part] = Down(parts[part], call)
    rows = {view: parts.pop(view) for view in DOCUMENTS}
    search = parts.pop("search")
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
        if any(action.startswith("dynamodb:") for action in statement["Action"])
        for resource in statement["Resource"]
    }
    asked = {name.replace("_", "-") for name in services().health()}
    assert tables | {"search"} == asked

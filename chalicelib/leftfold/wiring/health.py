"""Checks each dependency of the API."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice

from chalicelib.leftfold.store.ports import EffectKey
from chalicelib.leftfold.wiring.services import CURSORS, Services

# The name of a stream, a reader and a row that never exist.
NOBODY = "main/health-check"


def health(services: Services) -> dict[str, bool | str]:
    """Each dependency of the API by name: True, or the error that it has answered with."""
    checks: dict[str, Callable[[], object]] = {
        "events": partial(services.events.newest, NOBODY, limit=1),
        "log": services.log.head,
        "bodies": lambda: next(services.log.blocks(0, 1), None),
        "streams": partial(services.log.streams, [NOBODY]),
        "control": services.control.read,
        "subjects": partial(services.data_keys.find, [NOBODY]),
        "effects": partial(services.effects.find, EffectKey(NOBODY, NOBODY, 1, 0, NOBODY)),
        "secrets": partial(services.secrets.secret, CURSORS),
    }
    # Any view stands for all views, and any policy for all policies.
    for kind, readers in (("view", services.domain.views), ("policy", services.domain.policies)):
        for name in islice((reader.stored_name for reader in readers.values()), 1):
            checks[f"{kind}-checkpoints"] = partial(services.checkpoints.read, name, [0])
            checks[f"{kind}-parked"] = partial(services.parking.find, name, [NOBODY])
    for name, view in services.domain.views.items():
        if view.store == "documents":
            checks[name] = partial(services.rows(name).load, [NOBODY])
        else:
            # All search views are on one cluster, so one of them is enough.
            checks.setdefault("search", partial(services.search_rows(name).load, [NOBODY]))
    # In parallel, because each check may take the whole time-out of its client.
    with ThreadPoolExecutor(len(checks)) as pool:
        return dict(zip(checks, pool.map(answers, checks.values()), strict=True))


def answers(check: Callable[[], object]) -> bool | str:
    """True, or the error that *check* raised."""
    try:
        check()
    except Exception as error:  # noqa: BLE001 - every error is a result
        return f"{type(error).__name__}: {error}"
    return True

"""What the API depends on, and whether each part answers."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice

from chalicelib.leftfold.wiring.services import Services

# A stream and a row key that nobody has.
NOBODY = "main/health-check"


def health(services: Services) -> dict[str, bool | str]:
    """Each dependency of the API by name: True, or why it does not answer."""
    checks: dict[str, Callable[[], object]] = {
        "events": partial(services.events.newest, NOBODY, limit=1),
        "log": services.log.head,
        "streams": partial(services.log.streams, [NOBODY]),
    }
    # The API asks how far views have come, and never a policy: any view stands for all.
    for name in islice(services.domain.views, 1):
        checks["view-checkpoints"] = partial(services.checkpoints.read, name, [0])
        checks["view-parked"] = partial(services.parking.find, name, [NOBODY])
    for name, view in services.domain.views.items():
        if view.store == "documents":
            checks[name] = partial(services.rows(name).load, [NOBODY])
        else:
            # All search views are on one cluster: one of them stands for it.
            checks.setdefault("search", partial(services.search_rows(name).load, [NOBODY]))
    # All at once: each may take the whole time that its client waits.
    with ThreadPoolExecutor(len(checks)) as pool:
        return dict(zip(checks, pool.map(answers, checks.values()), strict=True))


def answers(check: Callable[[], object]) -> bool | str:
    """True, or what *check* failed with."""
    try:
        check()
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the answer
        return f"{type(error).__name__}: {error}"
    return True

"""The function `log_grew`, which the log table's stream starts."""

import json
from collections.abc import Sequence
from typing import Any

from chalicelib.leftfold.metrics import note
from chalicelib.leftfold.wiring.process import services


def log_grew(event: Any, _context: Any) -> None:
    """Wakes the followers of every application that hear a category of the new blocks.

    No other function reads the log table's stream. A follower that hears none of them passes
    over them when it is woken next, which the sweeper does within a minute.
    """
    current = services()
    for log, grown in categories_by_log(event["Records"]).items():
        hearing = [r.name for r in current.followers if grown.intersection(r.categories)]
        for name in hearing:
            current.in_log(log).waker.wake(name)
        note("woke", readers=hearing, log=log)


def categories_by_log(records: Sequence[Any]) -> dict[str, set[str]]:
    """By log, the categories of the blocks whose links are new in *records* of the log table's stream."""
    by_log: dict[str, set[str]] = {}
    for record in records:
        image = record["dynamodb"].get("NewImage", {})
        if "categories" in image:
            log = image["log"]["S"].removesuffix("#links")
            by_log.setdefault(log, set()).update(json.loads(image["categories"]["S"]))
    return by_log

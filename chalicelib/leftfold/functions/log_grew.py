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
    grown = held_in(event["Records"])
    hearing = [r.name for r in current.followers if grown.intersection(r.categories)]
    for name in hearing:
        current.waker.wake(name)
    note("woke", readers=hearing)


def held_in(records: Sequence[Any]) -> set[str]:
    """The categories of the blocks whose links are new in *records* of the log table's stream."""
    images = (record["dynamodb"].get("NewImage", {}) for record in records)
    links = (image for image in images if "categories" in image)
    return {category for link in links for category in json.loads(link["categories"]["S"])}

"""The function that sends the commands of deadlines that have passed."""

from typing import Any

from chalicelib.leftfold.functions.readers import ENOUGH_MS
from chalicelib.leftfold.metrics import emit
from chalicelib.leftfold.wiring.process import services


def deadlines(event: Any) -> None:
    """Sends the commands of deadlines that have passed, while there is time."""
    left = event.context.get_remaining_time_in_millis
    emit("DeadlinesPassed", services().timekeeper.run(lambda: left() > ENOUGH_MS))

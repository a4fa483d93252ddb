"""The function `deadlines`, which sends the commands of deadlines that have passed."""

from typing import Any

from chalicelib.leftfold.functions.budgets import FOR_A_COMMAND, time_left
from chalicelib.leftfold.metrics import emit
from chalicelib.leftfold.wiring.process import services


def deadlines(_event: Any, context: Any) -> None:
    """Sends the commands of deadlines that have passed, while there is time.

    Only the active application does: the rows of others may be behind, or made by other folds.
    """
    current = services()
    if not current.is_active():
        return
    sent = current.timekeeper.run(lambda: time_left(context) > FOR_A_COMMAND)
    emit("DeadlinesPassed", sent)

"""The function `forget`, which completes erasures."""

from typing import Any

from chalicelib.leftfold.functions.budgets import FOR_A_STEP, time_left
from chalicelib.leftfold.metrics import emit
from chalicelib.leftfold.wiring.process import services


def forget(_event: Any, context: Any) -> None:
    """Goes on with all erasures that have no report yet, while there is time.

    A failure in one does not stop the others; all failures are raised at the end.
    """
    current = services()
    waiting, errors = 0, list[Exception]()
    for erasure in current.eraser.unfinished():
        if time_left(context) < FOR_A_STEP:
            break
        try:
            waiting += current.in_log_of(erasure.subject).eraser.run(erasure) is None
        except Exception as error:  # noqa: BLE001 - raised below
            errors.append(error)
    emit("ErasuresUnfinished", waiting + len(errors))
    if errors:
        raise ExceptionGroup("not all erasures could go on", errors)

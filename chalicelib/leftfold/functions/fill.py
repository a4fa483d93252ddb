"""The function `fill`, the worker of the state machine that fills a view."""

from typing import Any

from chalicelib.leftfold.functions.budgets import FOR_A_STEP, time_left
from chalicelib.leftfold.metrics import note
from chalicelib.leftfold.wiring.process import services


def fill(event: Any, context: Any) -> Any:
    """One step of filling *view*, as the state machine names it; answers with what the next needs.

    - "plan": what each of *workers* is to be told.
    - "work": takes the parts of *worker*, while there is time; *done* says whether all are.
    - "finish": lets the view's function go on from the end of the fill.
    """
    view, workers, units = event["view"], event["workers"], event["units"]
    current = services()
    filling = current.fill(view, units / workers)
    plan = filling.plan()
    match event["step"]:
        case "plan":
            told = {"step": "work", "view": view, "workers": workers, "units": units}
            return {**event, "items": [{**told, "worker": number} for number in range(workers)]}
        case "work":
            parts = plan.of_worker(event["worker"], workers)
            done = all(
                filling.work(part, lambda: time_left(context) > FOR_A_STEP) for part in parts
            )
            note("filled", reader=current.views[view].fill_name, done=done)
            return {**event, "done": done}
        case _:
            filling.finish(plan)
            current.waker.wake(view)
            return {"view": view, "end": plan.end}

"""`leftfold generation check`: the proof that a generation shows what the log says, before it is active."""

import time
from collections.abc import Mapping
from datetime import timedelta

from chalicelib.leftfold.kernel import View
from chalicelib.leftfold.projection.replay import Replayed, replay
from chalicelib.leftfold.store.applications import Known
from chalicelib.leftfold.wiring.services import Services
from tools.auditing import audited
from tools.cloud import DeployError
from tools.console import bar, console
from tools.operations import is_live, quickly, show_status
from tools.polling import PATIENCE, Pause
from tools.texts import counted

# Seconds that a view of a generation may be behind while commands go on: not one is seen later than so.
MOST_BEHIND = 10


def check_release(known: Known, app: str, folds: Mapping[str, str]) -> None:
    """Raises DeployError unless the application's rows are those of the folds of this tree.

    What another release would make of the log proves nothing.
    """
    there = known.applications[app].folds
    other = sorted(name for name in folds.keys() | there if folds.get(name) != there.get(name))
    if other:
        raise DeployError(
            f"{app} has rows that another fold than that of this tree has made: {', '.join(other)};"
            " check out the release that was deployed there"
        )


def is_right(services: Services, most_behind: timedelta, pause: Pause = time.sleep) -> bool:
    """Whether every view has caught up, nothing is parked, and each live row is what the log makes.

    A view that may be *most_behind* may also take so long to reach what was replayed. Shows what is
    not so. Rows that are changed meanwhile are left out.
    """
    patience = max(PATIENCE, most_behind)
    right = show_status(services, most_behind)
    # Rows that differ are shown.
    audited(services, "compare", *sorted(services.views))
    for name, view in services.views.items():
        for each in services.in_each_log:
            made = made_of_log(view, each)
            console.print(f"{name}: {counted(len(made.rows), 'row')}")
            for stream, reason in made.stopped.items():
                console.print(f"stopped {stream}: {reason}", style="red", markup=False)
            right &= is_live(made, view, each, pause, patience) and not made.stopped
    return right


def made_of_log(view: View, services: Services) -> Replayed:
    """The rows that the whole log makes."""
    with bar(f"replaying {view.name}", services.log.head().next_position) as progress:
        (task,) = progress.task_ids

        def advance(at: int) -> None:
            progress.update(task, completed=at + 1)

        return replay(*quickly(view, services), advance, services.repairs, services.vault)

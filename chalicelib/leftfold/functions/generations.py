"""The functions `copier` and `taker`: they fill a generation, and take its streams over.

A schedule starts both each minute in a generation that follows another one. Each works for that
minute, and notes how far it came, so the next one goes on. Two at once do no harm.
"""

import json
from collections.abc import Callable, Collection, Iterable
from typing import Any

from chalicelib.leftfold.commands.handler import ContentionError
from chalicelib.leftfold.functions.budgets import FOR_COPIES, time_left
from chalicelib.leftfold.generations.control import Control
from chalicelib.leftfold.generations.copier import READER, Progress
from chalicelib.leftfold.generations.copying import NotCopiedYetError
from chalicelib.leftfold.kernel.commit import canonical
from chalicelib.leftfold.metrics import emit
from chalicelib.leftfold.store.ports import Unavailable
from chalicelib.leftfold.wiring.process import services
from chalicelib.leftfold.wiring.services import Services

# Milliseconds between two starts of the schedule.
MINUTE = 60_000
# Seconds between two looks at the log's end.
LOOK = 1.0
# A shard that is so many positions behind gets an invocation of its own.
MUCH = 5_000
# Under this name the copier notes how far each shard was when the schedule started it last.
SEEN = f"{READER}-seen"


def copier(event: Any, context: Any) -> None:
    """Copies the shards that a wake names, or for a minute everything that the log brings."""
    current = services()
    shards = [int(shard) for shard in event.get("wanted", {})]
    if shards:
        copy(current, shards, lambda: time_left(context) > FOR_COPIES)
    else:
        keep_up(current, for_a_minute(context))


def keep_up(current: Services, goes_on: Callable[[], bool]) -> None:
    """Copies what comes. A shard that is far behind is left to an invocation of its own.

    One that has moved since the last minute has such an invocation already.
    """
    made = current.generations.copier
    seen: dict[str, int] = json.loads(current.checkpoints.note(SEEN) or "{}")
    first = True
    while copies(current):
        progress = made.progress()
        if first:
            measure(current, progress)
            current.checkpoints.write_note(SEEN, canonical(progress.by_name()))
        near = [shard for shard in progress.done if progress.behind(shard) <= MUCH]
        for shard, done in progress.done.items():
            if first and shard not in near and seen.get(str(shard), done) == done:
                current.waker.wake("copier", {str(shard): 0})
        if any(map(progress.behind, near)):
            copy(current, near, goes_on)
        first = False
        if not goes_on():
            return
        current.rest(LOOK)


def copies(current: Services) -> bool:
    """Whether this generation is filled now: until it has the streams, and while they come to it."""
    control = current.control.read()
    if control is None or control.green != current.settings.truth:
        return False
    return control.state == "replicating" or (control.state == "switching" and is_there(control))


def is_there(control: Control) -> bool:
    """Whether the last switch led to the later generation."""
    return control.active == control.green


def measure(current: Services, progress: Progress) -> None:
    """Emits how far the copier is behind, and the number of streams that it has parked."""
    emit("CopierBehind", progress.lag)
    emit("CopierParked", len(list(current.parking.all(READER))))


def copy(current: Services, shards: Collection[int], goes_on: Callable[[], bool]) -> None:
    """Copies shards to the log's end. What waits for another one is told, and tried again."""
    try:
        current.generations.copier.run(shards, goes_on)
    except NotCopiedYetError as error:
        emit("CopiesWait", 1, reason=str(error))


def taker(event: Any, context: Any) -> None:
    """Takes the streams that a wake names, or for a minute those of its shares that nobody asks for.

    Started by the schedule, it has the first share that is left, and wakes others for the rest.
    """
    current = services()
    control = current.control.read()
    if control is None or control.green != current.settings.truth or control.state != "switching":
        return
    wanted = event.get("wanted", {})
    operator = current.generations.operator
    # A release with another number of shares may have sent the wake.
    shares = [int(name) for name in wanted if name.isdigit() and int(name) < operator.shares]
    if streams := [name for name in wanted if not name.isdigit()]:
        take(current, control, streams)
    if not wanted:
        taken = operator.taken(control)
        emit("StreamsTaken", taken.streams, switch=taken.switch)
        shares = list(taken.left[:1])
        for share in taken.left[1:]:
            current.waker.wake("taker", {str(share): 0})
    if shares:
        operator.take(shares, for_a_minute(context))


def take(current: Services, control: Control, streams: Iterable[str]) -> None:
    """Takes streams for the active generation. One that cannot be taken now is asked for again."""
    made = current.generations.there if is_there(control) else current.generations.back
    if made is None:
        return

    def one(stream: str) -> None:
        try:
            made.take(stream, control.switch)
        except (ContentionError, Unavailable) as error:
            emit("StreamsNotTaken", 1, reason=f"{stream}: {error}")

    current.side_by_side(one, streams)


def for_a_minute(context: Any) -> Callable[[], bool]:
    """Whether the schedule's next start is still to come, and there is time."""
    end = max(time_left(context) - MINUTE, FOR_COPIES)
    return lambda: time_left(context) > end

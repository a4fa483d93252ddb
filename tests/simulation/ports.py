"""Ports between the code and its storage, with everything that may go wrong there."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from chalicelib.leftfold.projection.rows import RowStore, Save
from chalicelib.leftfold.store.memory import MemoryEvents
from chalicelib.leftfold.store.ports import Block, ContendedError, Page, Unavailable
from tests.simulation.scheduler import Scheduler

WRITES = {
    "append",
    "bar",
    "change",
    "extend",
    "finish",
    "mark",
    "move",
    "park",
    "plan",
    "publish",
    "put_copy",
    "release",
    "remove_bar",
    "save",
    "send",
    "write_note",
}
# Writes of one item, which DynamoDB refuses while a transaction is at it.
SINGLE = WRITES - {"publish", "save", "send"}


class Faulty:
    """Any port; each call is a point where others run, and may fail on either side.

    *reported* is called with the name, arguments and answer of each call that took effect.
    """

    def __init__(
        self,
        port: Any,
        scheduler: Scheduler,
        reported: Callable[[str, tuple[Any, ...], Any], None] = lambda *_: None,
    ) -> None:
        self._port = port
        self._scheduler = scheduler
        self._told = reported

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._port, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            scheduler = self._scheduler
            scheduler.travel()
            if scheduler.strikes("fail_before"):
                raise Unavailable(f"{name}: throttled")
            # A block of the log is a transaction itself: it is told of conflicts otherwise.
            is_block = bool(args) and isinstance(args[0], Block)
            if name in SINGLE and not is_block and scheduler.strikes("contended"):
                raise ContendedError(f"{name}: a transaction is at the item")
            answer = method(*args, **kwargs)
            if isinstance(answer, Iterator):
                answer = iter(list(answer))
            self._told(name, args, answer)
            scheduler.travel()
            if name in WRITES and scheduler.strikes("fail_after"):
                raise Unavailable(f"{name}: the answer was lost")
            return answer

        return call


class PartialRows:
    """A row store that now and then writes some of the rows and then fails."""

    def __init__(self, rows: RowStore, scheduler: Scheduler) -> None:
        self._rows = rows
        self._scheduler = scheduler
        self.load, self.flush, self.scan = rows.load, rows.flush, rows.scan

    def save(self, saves: Sequence[Save]) -> set[str]:
        if len(saves) > 1 and self._scheduler.strikes("partial"):
            self._rows.save(saves[: self._scheduler.random.randrange(1, len(saves))])
            raise Unavailable("save: some rows were written")
        return self._rows.save(saves)


class ReplicatedEvents(MemoryEvents):
    """An events table whose eventually consistent reads may be stale, even with a hole."""

    def __init__(self, scheduler: Scheduler) -> None:
        super().__init__()
        self._scheduler = scheduler

    def newest(self, aggregate_id: str, *, consistent: bool = False, **page: Any) -> Page:
        found = super().newest(aggregate_id, consistent=consistent, **page)
        if consistent or not found.commits or not self._scheduler.strikes("stale"):
            return found
        random = self._scheduler.random
        if random.random() < 0.3:
            return found._replace(commits=found.commits[random.randint(1, 3) :])
        hidden = random.randrange(min(3, len(found.commits)))
        return found._replace(
            commits=[c for index, c in enumerate(found.commits) if index != hidden]
        )

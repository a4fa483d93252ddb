"""Ports between the code and its storage, with everything that may go wrong there."""

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

from chalicelib.leftfold.projection.rows import RowStore, Save
from chalicelib.leftfold.store.memory import MemoryEvents, MemoryLog
from chalicelib.leftfold.store.ports import Block, ContendedError, Page, Unavailable
from tests.simulation.scheduler import Scheduler

WRITES = {
    "add",
    "add_segment",
    "add_stream",
    "append",
    "bar",
    "change",
    "claim",
    "delete",
    "erase",
    "extend",
    "finish",
    "keep_part",
    "mark",
    "mark_archived",
    "move",
    "park",
    "plan",
    "publish",
    "put",
    "put_body",
    "put_copy",
    "release",
    "remove_bar",
    "replace",
    "save",
    "send",
    "write_note",
}
# Writes of one item, which DynamoDB refuses while a transaction is at it.
SINGLE = WRITES - {"put", "publish", "save", "send"}


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
            # A block of the log is a transaction itself: it is told of conflicts otherwise. Its
            # body is an item that no transaction touches.
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
        self.expunge = rows.expunge

    def save(self, saves: Sequence[Save]) -> set[str]:
        if len(saves) > 1 and self._scheduler.strikes("partial"):
            self._rows.save(saves[: self._scheduler.random.randrange(1, len(saves))])
            raise Unavailable("save: some rows were written")
        return self._rows.save(saves)


class SteppedLog(MemoryLog):
    """A log whose delete is as many calls as there are items, between which others run.

    *late* are the bodies that were put when their position was in a segment already.
    """

    def __init__(self) -> None:
        super().__init__()
        self.late: set[tuple[int, str]] = set()
        self.between: Callable[[], None] = lambda: None

    def put_body(self, block: Block) -> None:
        if self.segment_with(block.first_position):
            self.late.add((block.first_position, block.hash))
        super().put_body(block)

    def delete(self, first_positions: Collection[int]) -> None:
        for position in first_positions:
            for key in [key for key in self._bodies if key[0] == position]:
                self._bodies.pop(key, None)
                self.between()
            self.delete_link(position)
            self.between()

    def delete_link(self, position: int) -> None:
        """Deletes the link at a position."""
        self._links = [link for link in self._links if link.first_position != position]

    @property
    def bodies(self) -> set[tuple[int, str]]:
        """The bodies that are stored, by position and hash."""
        return set(self._bodies)

    @property
    def links(self) -> set[tuple[int, str]]:
        """The links that are stored, by position and hash."""
        return {(link.first_position, link.hash) for link in self._links}


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

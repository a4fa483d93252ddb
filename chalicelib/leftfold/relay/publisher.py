"""Publishes log blocks on the bus, each at least once, behind a checkpoint that only advances."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from chalicelib.leftfold.store.blocks import lane_records
from chalicelib.leftfold.store.bus import Bus
from chalicelib.leftfold.store.ports import MAIN, Block, Checkpoints, Log

MARK = "bus"
SLICE = 16


class Published(NamedTuple):
    """The bus as a reader of the log, which takes every block, whatever its categories.

    Its one checkpoint is the published-through mark.
    """

    name: str = MARK
    stored_name: str = MARK
    categories: tuple[str, ...] = ()
    fed: Literal["log"] = "log"


@dataclass
class Mark:
    """The published-through mark as a warm function knows it. The table's mark may be ahead."""

    position: int = -1


@dataclass(frozen=True)
class Publisher:
    """Publishes every block after the published-through mark; *name* is that of the log."""

    log: Log
    bus: Bus
    checkpoints: Checkpoints
    name: str = MAIN
    mark: Mark = field(default_factory=Mark)

    def publish(self, written: Iterable[Block] = ()) -> None:
        """Publishes the blocks *written*, without reading them, and all unpublished ones before.

        If there are none, publishes everything up to the log's end. Raises `Unavailable`: then
        the mark is before every block that may be missing on the bus.
        """
        at_hand = {block.first_position: block for block in written}
        last = max((b.next_position - 1 for b in at_hand.values()), default=None)
        if self.mark.position + 1 not in at_hand:
            self._read_mark()
        while last is None or self.mark.position < last:
            blocks = self._following(at_hand)
            if not blocks:
                return
            self.bus.publish([r for block in blocks for r in lane_records(block, self.name)])
            through = blocks[-1].next_position - 1
            if self.checkpoints.move(MARK, 0, self.mark.position, through):
                self.mark.position = through
            else:
                # Another relay has published meanwhile: go on from its mark.
                self._read_mark()

    def _read_mark(self) -> None:
        self.mark.position = self.checkpoints.read(MARK, [0])[0]

    def _following(self, at_hand: dict[int, Block]) -> Sequence[Block]:
        blocks: list[Block] = []
        position = self.mark.position + 1
        while position in at_hand:
            blocks.append(at_hand[position])
            position = blocks[-1].next_position
        if blocks:
            return blocks
        for block in self.log.blocks(position, limit=SLICE):
            # A page is not a snapshot of the table: it can contain a block and lack an earlier one.
            if block.first_position != position:
                break
            blocks.append(block)
            position = block.next_position
        return blocks

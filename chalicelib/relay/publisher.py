"""From log blocks to the bus, at least once and from a mark that only moves forward."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from chalicelib.store.blocks import lane_records
from chalicelib.store.bus import Bus
from chalicelib.store.ports import Block, Checkpoints, Log

MARK = "bus"
SLICE = 16


@dataclass(frozen=True)
class Publisher:
    """Publishes every block that lies beyond the published-through mark."""

    log: Log
    bus: Bus
    checkpoints: Checkpoints

    def publish(self, written: Iterable[Block] = ()) -> None:
        """Publishes to the log's end; *written* are blocks that need not be read again.

        Raises `Unavailable`; the mark then stands before all that may be missing.
        """
        at_hand = {block.first_position: block for block in written}
        mark = self.checkpoints.read(MARK, [0])[0]
        while blocks := self._following(mark, at_hand):
            self.bus.publish([r for block in blocks for r in lane_records(block)])
            through = blocks[-1].next_position - 1
            if not self.checkpoints.move(MARK, 0, mark, through):
                # Another relay published meanwhile: go on from where it has come.
                through = self.checkpoints.read(MARK, [0])[0]
            mark = through

    def _following(self, mark: int, at_hand: dict[int, Block]) -> Sequence[Block]:
        blocks: list[Block] = []
        while block := at_hand.pop(mark + 1, None):
            blocks.append(block)
            mark = block.next_position - 1
        return blocks or list(self.log.blocks(mark + 1, limit=SLICE))

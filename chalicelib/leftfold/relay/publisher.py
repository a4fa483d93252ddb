"""From log blocks to the bus, at least once and from a mark that only moves forward."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from chalicelib.leftfold.store.blocks import lane_records
from chalicelib.leftfold.store.bus import Bus
from chalicelib.leftfold.store.ports import Block, Checkpoints, Log

MARK = "bus"
SLICE = 16


class Published(NamedTuple):
    """The bus as a reader of the log: its one checkpoint is the published-through mark."""

    name: str = MARK
    fed: Literal["log"] = "log"


@dataclass
class Mark:
    """How far a warm function knows the bus to have come; the table may be ahead."""

    position: int = -1


@dataclass(frozen=True)
class Publisher:
    """Publishes every block that lies beyond the published-through mark."""

    log: Log
    bus: Bus
    checkpoints: Checkpoints
    mark: Mark = field(default_factory=Mark)

    def publish(self, written: Iterable[Block] = ()) -> None:
        """Publishes *written*, which need not be read again, and what is missing before.

        Without them, everything up to the log's end. Raises `Unavailable`; the mark then
        stands before all that may be missing.
        """
        at_hand = {block.first_position: block for block in written}
        last = max((b.next_position - 1 for b in at_hand.values()), default=None)
        if self.mark.position + 1 not in at_hand:
            self._look()
        while last is None or self.mark.position < last:
            blocks = self._following(at_hand)
            if not blocks:
                return
            self.bus.publish([r for block in blocks for r in lane_records(block)])
            through = blocks[-1].next_position - 1
            if self.checkpoints.move(MARK, 0, self.mark.position, through):
                self.mark.position = through
            else:
                # Another relay published meanwhile: go on from where it has come.
                self._look()

    def _look(self) -> None:
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
            # A page of blocks is not read at one moment: a later one can be seen earlier.
            if block.first_position != position:
                break
            blocks.append(block)
            position = block.next_position
        return blocks

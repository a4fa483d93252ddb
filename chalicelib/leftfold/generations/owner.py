"""Hands streams over to the generation that a command was sent to, if it is that one's turn."""

from collections.abc import Callable
from dataclasses import dataclass

from chalicelib.leftfold.commands.owning import IdMovedError, MovedError, NotActiveError
from chalicelib.leftfold.generations.control import Control, ControlTable
from chalicelib.leftfold.generations.taking import Taker, successors_of
from chalicelib.leftfold.kernel import Boundaries


@dataclass(frozen=True)
class GenerationOwner:
    """`Owner` of the generation *name*. Control is read only for a stream that it does not own.

    *first* says that no earlier generation exists. *taker* takes streams over; None in a
    generation whose code has no transforms. It asks the later generation for the stream by
    *wanted*, which takes the later one's name and the stream. *went* says where ids went in a change
    whose earlier generation is gone.
    """

    name: str
    control: ControlTable
    first: bool
    taker: Taker | None = None
    wanted: Callable[[str, str], None] = lambda _later, _aggregate_id: None
    went: Boundaries | None = None

    def is_nowhere(self, aggregate_id: str) -> bool:
        self._turn(aggregate_id)
        return self.taker is not None and self.taker.is_nowhere(aggregate_id)

    def take(self, aggregate_id: str) -> None:
        control = self._turn(aggregate_id)
        if self.taker is not None:
            self.taker.take(aggregate_id, control.switch)
            return
        if control.green is not None:
            self.wanted(control.green, aggregate_id)
        raise MovedError(aggregate_id)

    def check_id(self, aggregate_id: str) -> None:
        if self.went is not None and (successors := successors_of(aggregate_id, self.went)):
            raise IdMovedError(aggregate_id, successors)

    def _turn(self, aggregate_id: str) -> Control:
        """Control, by which this generation is active.

        Raises `NotActiveError`, `MovedError`, and `IdMovedError` if the stream lives under other ids.
        """
        control = self.control.read()
        if control is None or (control.state == "replicating" and self.name == control.green):
            raise NotActiveError(aggregate_id)
        if control.active != self.name:
            raise MovedError(aggregate_id)
        boundaries = self.taker.copying.boundaries if self.taker is not None else None
        if boundaries and (successors := successors_of(aggregate_id, boundaries)):
            raise IdMovedError(aggregate_id, successors)
        return control

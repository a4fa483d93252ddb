"""Repairs: how a commit is read that the code of today cannot read (docs/adr/0022)."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Protocol, TypeVar

from chalicelib.leftfold.kernel.codec import Codec
from chalicelib.leftfold.kernel.commit import Commit, StoredEvent

E = TypeVar("E")


class Correction(NamedTuple):
    """The events as which one stored event of a commit is read; *by* proposed it, *approved_by*
    put it into effect, *why* is for people.
    """

    reads_as: tuple[StoredEvent, ...]
    why: str
    by: str
    approved_by: str


class Repair(NamedTuple):
    """What is in effect for one commit: *corrections* by the index of the stored event, and the
    stored names of the readers that pass the commit over.
    """

    corrections: Mapping[int, Correction] = {}
    skipped_by: frozenset[str] = frozenset()


class Repairs(Protocol):
    """Finds repairs. It is asked for a commit on which a reader has failed, and for no other."""

    def of(self, aggregate_id: str, version: int) -> Repair:
        """What is in effect for the commit of this origin, read consistently."""


class NoRepairs:
    """`Repairs` of a place that has none."""

    def of(self, aggregate_id: str, version: int) -> Repair:  # noqa: ARG002 - as the port has it
        return Repair()


NO_REPAIRS = NoRepairs()


def repair_of(commit: Commit, repairs: Repairs) -> Repair:
    """What is in effect for a commit. It is kept for the commit that this one descends from first,
    which may have had another place, by the indexes that the events had there. Raises what
    *repairs* raises.
    """
    corrections, skipped_by = repairs.of(*commit.origin)
    indexes = {commit.root_index(index): index for index in range(len(commit.events))}
    here = {indexes[at]: each for at, each in corrections.items() if at in indexes}
    return Repair(here, skipped_by)


class Read(NamedTuple):
    """An event of a commit, as it is read today; *part* tells apart those of one stored event.

    *correction* is there if the stored event could not be read itself.
    """

    event_index: int
    part: int
    event: Any
    correction: Correction | None = None


def read(commit: Commit, codec: Codec[Any], repairs: Repairs) -> Iterator[Read]:
    """The events of a commit as they are read today.

    Raises what `Codec.decode` raises where no correction is in effect, and what *repairs* raises.
    """
    for index, stored in enumerate(commit.events):
        correction = None
        try:
            events = codec.decode(stored)
        except Exception:
            correction = repair_of(commit, repairs).corrections.get(index)
            if correction is None:
                raise
            events = tuple(e for other in correction.reads_as for e in codec.decode(other))
        for part, event in enumerate(events):
            yield Read(index, part, event, correction)

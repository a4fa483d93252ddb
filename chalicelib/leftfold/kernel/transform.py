"""A transform: how the streams of one generation become those of the next.

All of it is pure. It sees events as they are stored, because the code of the earlier generation,
and its classes of events, may be gone. A field that is encrypted stays as it is.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from chalicelib.leftfold.kernel.aggregate import AggregateId
from chalicelib.leftfold.kernel.commit import Commit, StoredEvent

# A piece of an event has the event index of the whole and, for all pieces but the first, this
# number to the power of the generation's ordinal, times the number of the piece. So no event of
# any generation has the index of another one with the same root.
PIECES = 1024


class TransformError(Exception):
    """A transform has failed on a commit, or has made something that it must not make."""


class Moving(NamedTuple):
    """An event on its way into the next generation.

    *state* is that of the transform before the event, None for a transform without `evolve`.
    """

    stream: AggregateId
    version: int
    event_index: int
    at: str
    event: StoredEvent
    state: Any


Placed = tuple[AggregateId, StoredEvent]


@dataclass(frozen=True)
class Transform:
    """How the streams of *category* in the earlier generation become streams of the categories *into*.

    *feeds* gives the later streams that an earlier stream feeds, from its id alone; none if no
    such stream can be. A stream of the same id that is to live on is among them. *sources* is the inverse: the
    earlier streams that feed a later one. *events* gives the events that one event becomes, each
    with its stream, which must be one of those that *feeds* gives. No event is dropped by being
    forgotten: an event that becomes nothing yields nothing.

    *evolve* folds what *events* has to know of the stream's earlier events into a JSON value, from *initial* on.
    Only a stream that feeds streams with no other source may have one. *inverse* leads back; without it there
    is no way back after a switch, except another generation. It has neither inverse nor `evolve`.
    """

    category: str
    into: tuple[str, ...]
    feeds: Callable[[AggregateId], tuple[AggregateId, ...]]
    sources: Callable[[AggregateId], tuple[AggregateId, ...]]
    events: Callable[[Moving], Iterable[Placed]]
    evolve: Callable[[Any, Moving], Any] | None = None
    initial: Any = None
    inverse: "Transform | None" = None


class Made(NamedTuple):
    """What a commit becomes: for each stream its events and their root's indexes; and the
    transform's next state.
    """

    events: Mapping[str, Sequence[tuple[int, StoredEvent]]]
    state: Any


class Boundaries:
    """Where the streams of the earlier generation go. A category without a transform stays as it is.

    *ordinal* is the number of the later generation, counted from the first one, which is 0.
    Raises ValueError for two transforms of one category.
    """

    def __init__(self, transforms: Iterable[Transform] = (), ordinal: int = 1) -> None:
        self.transforms = tuple(transforms)
        self._by_category = {transform.category: transform for transform in self.transforms}
        self._changed = {name for t in self.transforms for name in (t.category, *t.into)}
        self._ordinal = ordinal
        if len(self._by_category) < len(self.transforms):
            names = sorted(transform.category for transform in self.transforms)
            raise ValueError(f"a category has two transforms: {names}; keep one of the two")

    def feeds(self, aggregate_id: str) -> tuple[str, ...]:
        """The later streams that an earlier one feeds, sorted."""
        stream = AggregateId.parse(aggregate_id)
        transform = self._by_category.get(stream.category)
        if transform is None:
            return (aggregate_id,)
        return tuple(sorted(str(fed) for fed in transform.feeds(stream)))

    def sources(self, aggregate_id: str) -> tuple[str, ...]:
        """The earlier streams that feed a later one, sorted."""
        stream = AggregateId.parse(aggregate_id)
        if stream.category not in self._changed:
            return (aggregate_id,)
        found = {
            str(source)
            for transform in self.transforms
            if stream.category in transform.into
            for source in transform.sources(stream)
        }
        return tuple(sorted(found))

    def stays(self, aggregate_id: str) -> bool:
        """Whether the stream is copied as it is, one for one."""
        return AggregateId.parse(aggregate_id).category not in self._changed

    def initial(self, aggregate_id: str) -> Any:
        """The transform's state before an earlier stream's first event."""
        transform = self._by_category.get(AggregateId.parse(aggregate_id).category)
        return None if transform is None else transform.initial

    def made(self, commit: Commit, state: Any) -> Made:
        """What *commit* becomes, in each stream that its stream feeds. Raises `TransformError`."""
        stream = AggregateId.parse(commit.aggregate_id)
        transform = self._by_category.get(stream.category)
        fed: dict[str, list[tuple[int, StoredEvent]]] = {
            target: [] for target in self.feeds(commit.aggregate_id)
        }
        if not fed:
            raise TransformError(f"{commit.aggregate_id} feeds no stream, and has a commit")
        if transform is None:
            events = [(commit.root_index(i), event) for i, event in enumerate(commit.events)]
            return Made({commit.aggregate_id: events}, None)
        try:
            for index, event in enumerate(commit.events):
                moving = Moving(stream, commit.version, index, commit.at, event, state)
                for piece, (target, made) in enumerate(transform.events(moving)):
                    number = self._index(commit.root_index(index), piece)
                    fed[str(target)].append((number, made))
                state = transform.evolve(state, moving) if transform.evolve else None
        except KeyError as error:
            raise TransformError(f"{commit.aggregate_id} does not feed {error}") from error
        except Exception as error:
            at = f"version {commit.version} of {commit.aggregate_id}"
            raise TransformError(f"the transform fails on {at}: {type(error).__name__}") from error
        return Made(fed, state)

    def back(self) -> "Boundaries | None":
        """The way back; None if a transform has none."""
        inverses = [transform.inverse for transform in self.transforms]
        if None in inverses:
            return None
        return Boundaries([inverse for inverse in inverses if inverse], self._ordinal + 1)

    def faults(self, aggregate_ids: Iterable[str]) -> list[str]:
        """What is wrong with the boundaries, as far as these earlier streams show it."""
        return [fault for aggregate_id in aggregate_ids for fault in self._faults(aggregate_id)]

    def _index(self, index: int, piece: int) -> int:
        if piece >= PIECES:
            raise TransformError(f"an event becomes more than {PIECES} events")
        place: int = PIECES**self._ordinal
        return index + piece * place

    def _faults(self, source: str) -> Iterable[str]:
        fed = self.feeds(source)
        if not fed:
            yield f"{source} feeds no stream, so its commits would be left behind"
        if fed != self.feeds(source):
            yield f"{source} feeds now these streams, now those"
        for target in fed:
            if source not in self.sources(target):
                yield f"{source} feeds {target}, which does not name it among its sources"
            yield from (
                f"{target} names {other} among its sources, which does not feed it"
                for other in self.sources(target)
                if target not in self.feeds(other)
            )
            transform = self._by_category.get(AggregateId.parse(source).category)
            if transform and transform.evolve and len(self.sources(target)) > 1:
                yield f"{source} has a state to carry, and {target} has other sources"
        if fed and source not in fed and self.sources(source):
            yield f"{source} lives on and is not fed by the stream of the same id"

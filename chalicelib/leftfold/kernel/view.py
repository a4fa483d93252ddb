"""A view: a pure function that folds recorded events into rows."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from chalicelib.leftfold.kernel.aggregate import AggregateId
from chalicelib.leftfold.kernel.codec import Codec

Row = dict[str, Any]


class Recorded(NamedTuple):
    """An event with its keys in its stream, its commit and the log.

    *event_index* is the index of the stored event in its commit, from 0. *part* tells apart the
    events as which one stored event is read: 0, unless an upcast made several of it.
    """

    aggregate_id: str
    version: int
    event_index: int
    at: str
    position: int
    event: Any
    part: int = 0

    @property
    def tenant(self) -> str:
        """The tenant whose aggregate it is."""
        return AggregateId.parse(self.aggregate_id).tenant

    @property
    def key(self) -> str:
        """The aggregate's key: its id without tenant and category."""
        return AggregateId.parse(self.aggregate_id).key


@dataclass(frozen=True)
class View:
    """Rows as a function of the log.

    *codecs* maps each category that the view reads to the codec of its events.

    *keys* gives the keys of the rows that an event touches. *fold* makes a row from its
    former content, from the event and from the row's key, and from nothing else. The former
    content is None if there is no row; the result None deletes the row.

    *order* is "partitioned" or "ordered". Each row of a partitioned view is fed by one
    stream: its key begins with the aggregate id. Rows of an ordered view mix streams of one
    tenant: its key begins with the tenant and a slash. The view folds each tenant's commits
    strictly by position, and parks the tenant where it fails. It keeps its rows as documents,
    because a search store can refuse one row of many (docs/adr/0007).

    *accumulates* is False if a row never needs its former content, such as one document for
    each event.

    *merge* is for an ordered view whose rows can be made in two steps: of a row that was folded from
    earlier commits, and of one that was folded from nothing and later commits, it makes the row of
    all, as *fold* would have in order. Such a view never deletes a row: the later one would not
    say whether it had been. Then a replay and a fill have many workers (docs/adr/0037).

    *fed* names the source of a partitioned view's commits: the "bus", whose shards serve four
    readers, or the "log", which the view reads when it is woken. Ordered views read the log.

    *from_carried* says that a row can be made from its stream's live epoch alone, because the
    carry-forward events contain all that it shows. Then `replay --live` can rebuild the view.

    *personal* says that the rows show personal data, so the view's events are opened. Other views
    read `erased` in personal fields. A row of a forgotten subject is folded again from its
    stream, so a personal view is partitioned, its events have the position -1, and its keys have
    no personal data.

    *name* is that of its function. Its rows, its progress and its parked streams are stored
    under it too, or under *stored_as*: what a renamed view was called first (docs/adr/0021).

    *store* is the kind of row store. A search store needs the type of each of the *fields*:
    "keyword" (exact), "text" (words), "long" or "date".
    """

    name: str
    codecs: Mapping[str, Codec[Any]]
    keys: Callable[[Recorded], Iterable[str]]
    fold: Callable[[Row | None, Recorded, str], Row | None]
    store: Literal["documents", "search"]
    order: Literal["partitioned", "ordered"] = "partitioned"
    accumulates: bool = True
    fed: Literal["bus", "log"] = "bus"
    from_carried: bool = False
    personal: bool = False
    fields: Mapping[str, Literal["keyword", "text", "long", "date"]] = field(default_factory=dict)
    stored_as: str = ""
    merge: Callable[[Row, Row, str], Row] | None = None

    @property
    def stored_name(self) -> str:
        """The name under which all is stored: the first that the view had."""
        return self.stored_as or self.name

    @property
    def fill_name(self) -> str:
        """The name under which a fill of the view keeps its checkpoints."""
        return f"fill of {self.stored_name}"

    @property
    def categories(self) -> frozenset[str]:
        """The categories that the view listens to."""
        return frozenset(self.codecs)

    def __post_init__(self) -> None:
        if self.merge is not None and not (self.order == "ordered" and self.accumulates):
            raise ValueError(
                f"the view {self.name} merges: it must be ordered and accumulate; others have many"
                " workers without"
            )
        if self.order == "ordered" and self.fed == "bus":
            object.__setattr__(self, "fed", "log")
        if self.order == "ordered" and self.store != "documents":
            raise ValueError(f'the view {self.name} is ordered: its store must be "documents"')
        if self.order == "ordered" and self.personal:
            raise ValueError(
                f"the view {self.name} is ordered: its rows mix streams, so personal data could not"
                " be taken out of them; show it in a partitioned view"
            )

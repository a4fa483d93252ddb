"""A view: a pure function that folds recorded events into rows."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from chalicelib.leftfold.kernel.aggregate import AggregateId
from chalicelib.leftfold.kernel.codec import Codec

Row = dict[str, Any]


class Recorded(NamedTuple):
    """An event where it stands: in its stream, in the log, and in its commit.

    *event_index* counts the events of its commit from 0.
    """

    aggregate_id: str
    version: int
    event_index: int
    at: str
    position: int
    event: Any

    @property
    def key(self) -> str:
        """The aggregate's own id, without tenant and category."""
        return AggregateId.parse(self.aggregate_id).key


@dataclass(frozen=True)
class View:
    """Rows as a function of the log.

    *codecs* maps each category that the view listens to to its codec. *keys* names the
    rows that an event touches; *fold* makes such a row from its former content (None:
    there is none) and the event, and from nothing else; None deletes the row.
    *order* is "partitioned" (one lane feeds a row: every key begins with the aggregate's
    id) or "ordered" (rows mix streams: folded strictly by position, and kept as
    documents, for a search store may refuse one row of many: docs/adr/0007). *accumulates* is
    False where a row never needs its former content, as with one document per event.
    *fed* says what brings the commits of a partitioned view: the "bus", whose shards serve
    four readers, or, woken by wakes, the "log", from which every ordered view reads.
    *from_carried* says that a row can be made from its stream's live epoch alone, because
    the carry-forward events hold all that it shows: `replay --live` needs no more.
    *store* says which kind of row store keeps the rows; a search store needs the type
    of each field: "keyword" (exact), "text" (words), "long" or "date".
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
    fields: Mapping[str, Literal["keyword", "text", "long", "date"]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.order == "ordered" and self.fed == "bus":
            object.__setattr__(self, "fed", "log")
        if self.order == "ordered" and self.store != "documents":
            raise ValueError(f"{self.name} is ordered: only documents can keep its rows")

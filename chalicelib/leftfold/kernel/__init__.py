"""The types that contexts are written with. The kernel is pure and imports the standard library alone.

A context is a `Decider` (its rules), a `Codec` (its storage format), `View`s (its read
models) and `Policy`s (its workflow steps). `Aggregate` ties the first two to a category
of streams. A `Transform` says how the streams of one generation become those of the next.
"""

from chalicelib.leftfold.kernel.aggregate import Aggregate, AggregateId
from chalicelib.leftfold.kernel.announcer import Announcer
from chalicelib.leftfold.kernel.codec import Codec, dropped, renamed, unchanged
from chalicelib.leftfold.kernel.commit import (
    LANES,
    Archived,
    Bar,
    Commit,
    RecentCommand,
    Snapshot,
    StoredEvent,
    UnknownFormatError,
    lane_of,
)
from chalicelib.leftfold.kernel.context import Context, Domain
from chalicelib.leftfold.kernel.decider import Decider, Refused, ToFact
from chalicelib.leftfold.kernel.forms import from_json, to_json
from chalicelib.leftfold.kernel.personal import ERASED, personal
from chalicelib.leftfold.kernel.policy import Deadline, Email, Policy, Reaction
from chalicelib.leftfold.kernel.transform import (
    Boundaries,
    Moving,
    Transform,
    TransformError,
)
from chalicelib.leftfold.kernel.view import Recorded, Row, View

__all__ = [
    "ERASED",
    "LANES",
    "Aggregate",
    "AggregateId",
    "Announcer",
    "Archived",
    "Bar",
    "Boundaries",
    "Codec",
    "Commit",
    "Context",
    "Deadline",
    "Decider",
    "Domain",
    "Email",
    "Moving",
    "Policy",
    "Reaction",
    "RecentCommand",
    "Recorded",
    "Refused",
    "Row",
    "Snapshot",
    "StoredEvent",
    "ToFact",
    "Transform",
    "TransformError",
    "UnknownFormatError",
    "View",
    "dropped",
    "from_json",
    "lane_of",
    "personal",
    "renamed",
    "to_json",
    "unchanged",
]

"""What operators see and do: streams as they were, readers and how far they are, redriving."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from marshmallow import fields, validate

from chalicelib.leftfold.access.callers import TENANT
from chalicelib.leftfold.commands.loading import load
from chalicelib.leftfold.http.feed import FollowedEvent, as_stored, events_as_they_are, reason_of
from chalicelib.leftfold.http.fields import LARGEST_VERSION, Fullmatch, Shown, Strict, Whole, key
from chalicelib.leftfold.http.history import BodyJson, StreamVersion
from chalicelib.leftfold.http.logs import OfLog, in_chosen_log
from chalicelib.leftfold.http.problems import Problem
from chalicelib.leftfold.http.routes import Answer, Call, Route
from chalicelib.leftfold.kernel import Aggregate, Commit
from chalicelib.leftfold.kernel.aggregate import is_of
from chalicelib.leftfold.kernel.commit import instant
from chalicelib.leftfold.kernel.repair import Repairs
from chalicelib.leftfold.projection.lag import lag
from chalicelib.leftfold.projection.rewinding import Failed, Rewound, rewound
from chalicelib.leftfold.relay.publisher import MARK
from chalicelib.leftfold.store.blocks import hash_of
from chalicelib.leftfold.store.following import logged_at
from chalicelib.leftfold.store.ports import ParkedStream, StreamEntry, Unavailable
from chalicelib.leftfold.store.readers import WHOLE_LOG, Reader
from chalicelib.leftfold.subjects.opening import BLIND
from chalicelib.leftfold.wiring.services import Services, side_by_side

if TYPE_CHECKING:
    # A request for consequences alone needs their code, and one for readers the sweeper's.
    from chalicelib.leftfold.policies.consequences import Outcome
    from chalicelib.leftfold.relay.sweeper import Note

PARKED_SHOWN = 200
# In whose audit an operator of the house is that is in no tenant.
HOUSE_TENANT = "main"
# What cannot get past a commit, if it is no view.
RULES = "rules"
OUTCOMES: "tuple[Outcome, ...]" = (
    *("taken", "refused", "sent", "decided", "forgotten"),
    *("waits", "parked", "passed", "fails"),
)

Json = dict[str, Any]


class StreamParts(Strict):
    """The path's parts of a stream."""

    category = fields.String(required=True, validate=validate.Length(1, 64))
    key = key(required=True)


class OfTenant(Strict):
    """The parameter of a route that shows a tenant's streams to an operator of the house."""

    tenant = fields.String(
        validate=Fullmatch(f"^{TENANT.pattern}$", reason="must be the name of a tenant"),
        metadata={
            "description": "Whose stream it is, by default the operator's own; for operators of the house."
        },
    )


class CommitParts(StreamParts):
    """The path's parts of a commit."""

    version = Whole(1, LARGEST_VERSION, required=True)


class ReaderParts(Strict):
    """The path's part of a view or a policy."""

    reader = fields.String(
        required=True,
        validate=Fullmatch("^[a-z0-9_]{1,64}$", reason="must be the name of a view or a policy"),
    )


class BlockParts(Strict):
    """The path's part of a block: any position in it."""

    position = Whole(0, LARGEST_VERSION, required=True)


class Backwards(OfTenant):
    """The parameters of a list that goes from the newest to the oldest."""

    limit = Whole(1, 200, load_default=50)
    before = Whole(
        1,
        LARGEST_VERSION,
        metadata={"description": "Show the commits before this version."},
    )


class CommitShown(Shown):
    """A commit of a stream; *archived* says that it has left the events table."""

    version = fields.Integer(required=True)
    at = fields.String(required=True, metadata={"format": "date-time"})
    epoch = fields.Integer(required=True)
    begins_epoch = fields.Boolean(required=True)
    archived = fields.Boolean(required=True)
    actor = fields.String(required=True)
    authority = fields.String(required=True)
    correlation_id = fields.String(required=True)
    traceparent = fields.String(required=True)
    tags = fields.List(fields.String(), required=True)
    causes = fields.List(fields.Nested(StreamVersion), required=True)
    events = fields.List(fields.Nested(FollowedEvent), required=True)


class StreamDocument(Shown):
    """A stream with a page of its commits, the newest first.

    *logged* is the last version that is in the log, *position* its position (-1 without one),
    which operators of the house alone see.
    """

    stream = fields.String(required=True)
    category = fields.String(required=True)
    key = fields.String(required=True)
    version = fields.Integer(required=True)
    epoch = fields.Integer(required=True)
    logged = fields.Integer(required=True)
    position = fields.Integer(required=True, allow_none=True)
    archived_through = fields.Integer(required=True)
    items = fields.List(fields.Nested(CommitShown), required=True)
    next = fields.Integer(
        required=True,
        allow_none=True,
        metadata={"description": "The `before` of the page that follows."},
    )


class RowChange(Shown):
    """A row of a view just before and just after the event *index* of a commit; null is no row."""

    view = fields.String(required=True)
    key = fields.String(required=True)
    index = fields.Integer(required=True)
    before = fields.Dict(keys=fields.String(), required=True, allow_none=True)
    after = fields.Dict(keys=fields.String(), required=True, allow_none=True)


class Failure(Shown):
    """What cannot get past the commit: a view by its name, or `rules`, which decide commands."""

    of = fields.String(required=True)
    reason = fields.String(required=True)


class CommitDocument(Shown):
    """A commit with the state before and after it, and the rows that it changed, as stored.

    A state is null where there is none, and where the rules have failed. Of a view that has
    failed there are no rows.
    """

    stream = fields.String(required=True)
    commit = fields.Nested(CommitShown, required=True)
    before = fields.Raw(required=True, allow_none=True)
    after = fields.Raw(required=True, allow_none=True)
    rows = fields.List(fields.Nested(RowChange), required=True)
    failures = fields.List(fields.Nested(Failure), required=True)


class ConsequenceShown(Shown):
    """A step that a policy takes because of a commit, and its *outcome*.

    *stream* is where a command goes, *version* the commit that it made there, and *answer* the
    version of the process that has recorded the answer. *outcome* is `taken` or `refused`; for an
    e-mail `sent`, `decided` (and not yet sent) or `forgotten` (not sent, because it would have
    shown erased data). What has no answer yet `waits` or is `parked`, as *reason* says. A policy
    that has `passed` took no step. Code that `fails` cannot say what it leads to.
    """

    policy = fields.String(required=True)
    step = fields.String(required=True)
    kind = fields.String(required=True, validate=validate.OneOf(["command", "e-mail"]))
    outcome = fields.String(required=True, validate=validate.OneOf(OUTCOMES))
    stream = fields.String(required=True, allow_none=True)
    version = fields.Integer(required=True, allow_none=True)
    answer = fields.Integer(required=True, allow_none=True)
    reason = fields.String(required=True, allow_none=True)


class ConsequenceList(StreamVersion):
    """What a commit leads to, by today's policies."""

    items = fields.List(fields.Nested(ConsequenceShown), required=True)


class ReaderShown(Shown):
    """How far a view or a policy is. *waits* is the age of its oldest commit, in seconds."""

    name = fields.String(required=True)
    kind = fields.String(required=True, validate=validate.OneOf(["view", "policy"]))
    fed = fields.String(required=True)
    order = fields.String(required=True)
    store = fields.String(required=True, allow_none=True)
    behind = fields.Integer(required=True)
    waits = fields.Float(required=True)
    parked = fields.Integer(required=True)


class SweeperShown(Shown):
    """The sweeper's round through the events table: when it began, and how far it is."""

    began = fields.String(required=True, metadata={"format": "date-time"})
    part = fields.Integer(required=True)
    parts = fields.Integer(required=True)
    pages = fields.Integer(required=True)
    pages_before = fields.Integer(required=True)


class ReaderList(Shown):
    """All views and policies, and the end of the log at the time *at*. *unpublished* positions are
    in the log and not on the bus yet. There is no *sweeper* before its first run. Parked streams are
    those of all *logs*.
    """

    at = fields.String(required=True, metadata={"format": "date-time"})
    log = fields.String(required=True)
    logs = fields.List(fields.String(), required=True)
    next_position = fields.Integer(required=True)
    hash = fields.String(required=True)
    unpublished = fields.Integer(required=True)
    sweeper = fields.Nested(SweeperShown, required=True, allow_none=True)
    items = fields.List(fields.Nested(ReaderShown), required=True)


class BlockShown(Shown):
    """A block of the log; *proved* says that the hash is that of the block's content."""

    first_position = fields.Integer(required=True)
    next_position = fields.Integer(required=True)
    previous_hash = fields.String(required=True)
    hash = fields.String(required=True)
    proved = fields.Boolean(required=True)
    commits = fields.List(fields.Nested(StreamVersion), required=True)


class ParkedShown(Shown):
    """A parked stream: commits from position *first* to *last* wait; *reason* says why.

    An ordered view parks all streams of a tenant together, called "main/". The reader has failed on
    *version* of the stream *failedOn*. Operators of the house alone see positions.
    """

    stream = fields.String(required=True)
    failed_on = fields.String(required=True)
    first = fields.Integer(required=True, allow_none=True)
    last = fields.Integer(required=True, allow_none=True)
    version = fields.Integer(required=True)
    reason = fields.String(required=True)


class ParkedList(Shown):
    """The parked streams of a reader, at most 200 of them."""

    reader = fields.String(required=True)
    items = fields.List(fields.Nested(ParkedShown), required=True)
    total = fields.Integer(required=True)


class RedriveBody(Strict):
    """The parked streams to redrive; all of the reader's without *streams*."""

    streams = fields.List(
        fields.String(validate=validate.Length(1, 200)), validate=validate.Length(1, PARKED_SHOWN)
    )


class RedriveAsked(Shown):
    """How many parked streams the reader's function was asked to redrive."""

    reader = fields.String(required=True)
    asked = fields.Integer(required=True)


@dataclass(frozen=True)
class Operating:
    """The routes of operators, over all *aggregates*.

    *bodies* make, by category, the body that clients see of a stored one.
    """

    aggregates: Mapping[str, Aggregate]
    bodies: Mapping[str, BodyJson]

    def show_stream(self, call: Call) -> Answer:
        """A stream with a page of its commits, the newest first."""
        aggregate = self._aggregate(call)
        stream = operated_stream(call, aggregate)
        services = call.house.in_log_of(stream)
        newest = services.events.newest(stream, limit=1, consistent=True).commits
        if not newest:
            raise Problem("stream-missing")
        last = min(call.query.get("before", LARGEST_VERSION) - 1, newest[0].version)
        first = max(1, last - call.query["limit"] + 1)
        commits = services.events.range(stream, first, last) if last else ()
        entry = services.log.streams([stream]).get(stream, StreamEntry())
        return Answer(
            {
                "stream": stream,
                "category": aggregate.category,
                "key": call.path["key"],
                "version": newest[0].version,
                "epoch": newest[0].epoch,
                "logged": entry.next - 1,
                "position": entry.position if call.is_of_house else None,
                "archivedThrough": entry.archived_through,
                "items": [
                    self._commit(aggregate, one, entry, services.repairs)
                    for one in reversed(commits)
                ],
                "next": first if first > 1 else None,
            }
        )

    def show_commit(self, call: Call) -> Answer:
        """A commit, the state before and after it, and the rows of views that it changed."""
        aggregate = self._aggregate(call)
        version, stream = call.path["version"], operated_stream(call, aggregate)
        services = call.house.in_log_of(stream)
        commit = commit_at(services, stream, version)
        entry = services.log.streams([stream]).get(stream, StreamEntry())
        views = list(services.views.values())
        found = list(rewound(views, services.events, commit, services.repairs))
        failures = [one for one in found if isinstance(one, Failed)]
        try:
            before = state_before(services, aggregate, stream, version)
            after = state_before(services, aggregate, stream, version + 1)
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001 - rules may raise anything
            before = after = None
            failures.insert(0, Failed(RULES, reason_of(error)))
        return Answer(
            {
                "stream": stream,
                "commit": self._commit(aggregate, commit, entry, services.repairs),
                "before": before,
                "after": after,
                "rows": [row_json(one) for one in found if isinstance(one, Rewound)],
                "failures": [{"of": one.view, "reason": one.reason} for one in failures],
            }
        )

    def list_consequences(self, call: Call) -> Answer:
        """What a commit leads to, and what became of it."""
        stream, version = operated_stream(call, self._aggregate(call)), call.path["version"]
        services = call.house.in_log_of(stream)
        commit = commit_at(services, stream, version)
        items = [
            {name: value or None for name, value in one._asdict().items()} | {"step": one.step}
            for one in services.consequences.of(commit)
        ]
        return Answer({"stream": stream, "version": version, "items": items})

    def _aggregate(self, call: Call) -> Aggregate:
        try:
            return self.aggregates[call.path["category"]]
        except KeyError as error:
            raise Problem(
                "stream-missing",
                f"There is no category of that name; there are {', '.join(self.aggregates)}.",
            ) from error

    def _commit(
        self, aggregate: Aggregate, commit: Commit, entry: StreamEntry, repairs: Repairs
    ) -> Json:
        shown = self.bodies.get(aggregate.category, as_stored)
        return {
            "version": commit.version,
            "at": commit.at,
            "epoch": commit.epoch,
            "beginsEpoch": commit.version == commit.epoch_start,
            "archived": commit.version <= entry.archived_through,
            "actor": commit.actor,
            "authority": commit.authority,
            "correlationId": commit.correlation_id,
            "traceparent": commit.traceparent,
            "tags": list(commit.tags),
            "causes": [{"stream": stream, "version": version} for stream, version in commit.deps],
            "events": events_as_they_are(commit.blind(), aggregate.codec, shown, repairs),
        }


def row_json(row: Rewound) -> Json:
    """A row before and after an event."""
    return {
        "view": row.view,
        "key": row.key,
        "index": row.event_index,
        "before": row.before,
        "after": row.after,
    }


def commit_at(services: Services, stream: str, version: int) -> Commit:
    """The commit. Raises `Problem`."""
    commits = services.events.range(stream, version, version)
    if not commits:
        raise Problem("stream-missing")
    return commits[0]


def operated_stream(call: Call, aggregate: Aggregate) -> str:
    """The stream that the path names. Raises `Problem`."""
    return aggregate.stream(call.path["key"], operated_tenant(call))


def operated_tenant(call: Call) -> str:
    """The operator's tenant, or the one that an operator of the house names.

    Raises `Problem` if an operator of a tenant names another.
    """
    named: str | None = call.query.get("tenant")
    if not call.is_of_house and named not in (None, call.tenant):
        raise Problem("house-only")
    return named or call.tenant


def own_parked(call: Call, reader: str) -> list[tuple[str, ParkedStream]]:
    """The parked streams of a reader that the operator may see."""
    return [
        (stream, parked)
        for _, stream, parked in call.house.parking.all(call.house.stored_name(reader))
        if call.is_of_house or is_of(call.tenant, stream)
    ]


def state_before(services: Services, aggregate: Aggregate, stream: str, version: int) -> Any:
    """The state before *version*, as a snapshot keeps it; None before the first."""
    if version == 1:
        return None
    fingerprint = services.fingerprints[aggregate.category]
    loaded = load(
        services.events,
        aggregate,
        stream,
        fingerprint=fingerprint,
        vault=BLIND,
        consistent=True,
        below=version,
        repairs=services.repairs,
    )
    return aggregate.to_snapshot(loaded.state)


def list_readers(call: Call) -> Answer:
    """How far all views and policies are, and how many streams each has parked."""
    from chalicelib.leftfold.relay.sweeper import noted

    services = in_chosen_log(call)
    head = services.log.head()
    shown = side_by_side(lambda reader: reader_json(services, reader), services.readers)
    published = services.checkpoints.read(MARK, [WHOLE_LOG])[WHOLE_LOG]
    return Answer(
        {
            "at": instant(services.clock()),
            "log": services.settings.log,
            "logs": list(services.settings.logs),
            "nextPosition": head.next_position,
            "hash": head.hash,
            "unpublished": max(0, head.next_position - 1 - published),
            "sweeper": sweeper_json(noted(services.whole.checkpoints)),
            "items": shown,
        }
    )


def sweeper_json(note: "Note | None") -> Json | None:
    """How far the sweeper's round is; None before its first run."""
    from chalicelib.leftfold.relay.sweeper import PARTS

    if note is None:
        return None
    return {
        "began": instant(datetime.fromtimestamp(note.began, UTC)),
        "part": note.part,
        "parts": PARTS,
        "pages": note.pages,
        "pagesBefore": note.whole,
    }


def reader_json(services: Services, reader: Reader) -> Json:
    """How far one reader is."""
    behind = lag(reader, services.log, services.checkpoints, services.clock)
    view = services.views.get(reader.name)
    return {
        "name": reader.name,
        "kind": "policy" if view is None else "view",
        "fed": reader.fed,
        "order": "partitioned" if view is None else view.order,
        "store": None if view is None else view.store,
        "behind": behind.positions,
        "waits": max(0.0, behind.age.total_seconds()),
        "parked": sum(1 for _ in services.parking.all(reader.stored_name)),
    }


def show_block(call: Call) -> Answer:
    """The block of the log that has a position, and whether its hash is right."""
    position = call.path["position"]
    for block in in_chosen_log(call).log.blocks(position, 1):
        if block.first_position <= position:
            commits = [{"stream": c.aggregate_id, "version": c.version} for c in block.commits]
            return Answer(
                {
                    "firstPosition": block.first_position,
                    "nextPosition": block.next_position,
                    "previousHash": block.previous_hash,
                    "hash": block.hash,
                    "proved": hash_of(block) == block.hash,
                    "commits": commits,
                }
            )
    raise Problem("no-such-position")


def list_parked(call: Call) -> Answer:
    """The parked streams of one reader, with the reasons."""
    name = known_reader(call)
    parked = own_parked(call, name)
    return Answer(
        {
            "reader": name,
            "items": [parked_json(call, stream, one) for stream, one in parked[:PARKED_SHOWN]],
            "total": len(parked),
        }
    )


def parked_json(call: Call, stream: str, parked: ParkedStream) -> Json:
    """A parked stream with the commit on which the reader has failed."""
    failed = logged_at(call.house.in_log_of(stream).log, parked.first)
    return {
        "stream": stream,
        "failedOn": failed.aggregate_id,
        "first": parked.first if call.is_of_house else None,
        "last": parked.last if call.is_of_house else None,
        "version": failed.version,
        "reason": parked.reason,
    }


def redrive_parked(call: Call) -> Answer:
    """Asks the reader's own function to redrive: it alone may write the reader's rows."""
    name = known_reader(call)
    chosen = call.body.get("streams")
    parked = {
        stream: one.last
        for stream, one in own_parked(call, name)
        if chosen is None or stream in chosen
    }
    if parked:
        record(call, "redrive", [name, *parked])
        call.house.waker.wake(name, parked)
    return Answer({"reader": name, "asked": len(parked)}, status=202)


def record(call: Call, action: str, what: Sequence[str]) -> None:
    """Records in the audit stream of the operator's tenant what the operator is about to do.

    An operator of the house without a tenant is in that of `main`.
    """
    caller, services = call.caller, call.house
    if caller is None:
        raise LookupError(f"{call.route.name} asks for no token")
    own = caller.tenant or HOUSE_TENANT
    services.auditing.action(caller.subject, action, what, services.new_id(), own)


def known_reader(call: Call) -> str:
    """The reader that the path names. Raises `Problem`."""
    name = cast("str", call.path["reader"])
    if name not in {reader.name for reader in call.house.readers}:
        raise Problem("reader-missing")
    return name


def operating_routes(
    aggregates: Mapping[str, Aggregate], bodies: Mapping[str, BodyJson]
) -> tuple[Route, ...]:
    """All routes of operators."""
    operating = Operating(aggregates, bodies)
    return (
        Route(
            "GET",
            "/streams/{category}/{key}",
            "show_stream",
            "A stream with its commits, live and archived, the newest first",
            operating.show_stream,
            StreamDocument(),
            scope="operate",
            parts=StreamParts(),
            query=Backwards(),
            problems=("stream-missing", "house-only", "unavailable"),
        ),
        Route(
            "GET",
            "/streams/{category}/{key}/commits/{version}",
            "show_commit",
            "A commit, the state before and after it, and the rows that it changed",
            operating.show_commit,
            CommitDocument(),
            scope="operate",
            parts=CommitParts(),
            query=OfTenant(),
            problems=("stream-missing", "house-only", "unavailable"),
        ),
        Route(
            "GET",
            "/streams/{category}/{key}/commits/{version}/consequences",
            "list_consequences",
            "What a commit leads to: commands and e-mails of policies, and what became of them",
            operating.list_consequences,
            ConsequenceList(),
            scope="operate",
            parts=CommitParts(),
            query=OfTenant(),
            problems=("stream-missing", "house-only", "unavailable"),
        ),
        Route(
            "GET",
            "/blocks/{position}",
            "show_block",
            "The block of the log that has a position, with its hashes",
            show_block,
            BlockShown(),
            scope="operate",
            parts=BlockParts(),
            query=OfLog(),
            problems=("no-such-position", "house-only", "unavailable"),
        ),
        Route(
            "GET",
            "/readers",
            "list_readers",
            "How far all views and policies are behind the log",
            list_readers,
            ReaderList(),
            scope="operate",
            query=OfLog(),
            problems=("house-only", "unavailable"),
        ),
        Route(
            "GET",
            "/readers/{reader}/parked",
            "list_parked",
            "The streams on which a view or a policy has failed",
            list_parked,
            ParkedList(),
            scope="operate",
            parts=ReaderParts(),
            problems=("reader-missing", "unavailable"),
        ),
        Route(
            "POST",
            "/readers/{reader}/redrive",
            "redrive_parked",
            "Let parked streams go on, after the cause of their failure was mended",
            redrive_parked,
            RedriveAsked(),
            scope="operate",
            status=202,
            parts=ReaderParts(),
            body=RedriveBody(),
            problems=("reader-missing", "contention", "unavailable"),
        ),
    )

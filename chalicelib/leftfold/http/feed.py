"""The feed: all commits in the one order, for programs of others to follow."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any, Literal, cast

from marshmallow import fields, validate

from chalicelib.leftfold.http.cursors import after_of, cursor, whole
from chalicelib.leftfold.http.fields import LARGEST_VERSION, Shown, Whole, moment
from chalicelib.leftfold.http.history import BodyJson, CorrectionShown, StreamVersion, events_json
from chalicelib.leftfold.http.live import LONGEST_WAIT
from chalicelib.leftfold.http.logs import OfLog, in_chosen_log
from chalicelib.leftfold.http.problems import Problem
from chalicelib.leftfold.http.routes import FEED, Answer, Call, Route
from chalicelib.leftfold.kernel import Aggregate, AggregateId, Codec, Commit, StoredEvent
from chalicelib.leftfold.kernel.repair import Repairs
from chalicelib.leftfold.projection.fold import REASON_LENGTH
from chalicelib.leftfold.store.following import MOST_BLOCKS, MOST_SEARCHED, BeyondTheLogError
from chalicelib.leftfold.store.ports import Unavailable

# A cursor's one value: a position.
CURSOR_PARTS = (whole(0, LARGEST_VERSION),)

Json = dict[str, Any]


class FollowedEvent(Shown):
    """An event in the current version of its name. One that today's code cannot read, where such
    are shown, is as it is stored, and *unreadable* says why.
    """

    name = fields.String(required=True)
    event_version = fields.Integer(required=True)
    body = fields.Dict(keys=fields.String(), required=True)
    correction = fields.Nested(CorrectionShown, required=True, allow_none=True)
    unreadable = fields.String(required=True, allow_none=True)


class FollowedCommit(StreamVersion):
    """One commit: events that were recorded together; *causes* are the commits that led to it.

    The feed gives each commit once, in the one order of the log. *position* is its place there,
    which operators of the house alone see: it tells how much all tenants have done.
    """

    position = fields.Integer(required=True, allow_none=True)
    category = fields.String(required=True)
    id = fields.String(required=True)
    at = fields.String(required=True, metadata={"format": "date-time"})
    actor = fields.String(required=True)
    correlation_id = fields.String(required=True)
    causes = fields.List(fields.Nested(StreamVersion), required=True)
    events = fields.List(fields.Nested(FollowedEvent), required=True)


class FollowedPage(Shown):
    """Commits in order. `next` is always there, also after the last commit that there is.

    *position* is where the next page begins; operators of the house alone see it.
    """

    items = fields.List(fields.Nested(FollowedCommit), required=True)
    next = fields.String(required=True)
    position = fields.Integer(required=True, allow_none=True)
    at_end = fields.Boolean(
        required=True,
        metadata={"description": "The log ended here: ask again with `wait`."},
    )


class FollowQuery(OfLog):
    """The parameters of the feed; *categories* are those that there are."""

    after = fields.String(
        validate=validate.Length(1, 2000),
        metadata={
            "description": "The `next` of the page before. Without it the log is read from its"
            " beginning."
        },
    )
    last = Whole(
        1,
        500,
        metadata={
            "description": "Without `after`: begin so many positions before the end of the log;"
            " for operators of the house, whose feed has the commits of all tenants."
        },
    )
    from_ = fields.String(
        validate=validate.OneOf(("beginning", "end")),
        load_default="beginning",
        metadata={"description": "Without `after`: where to begin."},
    )
    since = moment(
        "Without `after` and `last`: begin with what was made at this time, or up to an hour before."
    )
    limit = Whole(1, 500, load_default=100)
    wait = Whole(
        0,
        LONGEST_WAIT,
        load_default=0,
        metadata={"description": "Seconds to wait for a commit if there is none yet."},
    )
    unreadable = fields.String(
        validate=validate.OneOf(("fail", "show")),
        load_default="fail",
        metadata={
            "description": "What is done about an event that the code of today cannot read. A"
            " program that keeps a copy of the log stops there; a page for people shows it."
        },
    )
    category = fields.String()
    correlation = fields.String(
        validate=validate.Length(1, 128),
        metadata={
            "description": "Give the commits of this correlation id alone. A page without any may"
            " lead on: ask on until `atEnd`."
        },
    )

    def __init__(self, categories: list[str]) -> None:
        super().__init__()
        self.fields["category"].validators = [
            validate.OneOf(categories, error="must be one of: {choices}")
        ]


def feed_route(aggregates: Mapping[str, Aggregate], bodies: Mapping[str, BodyJson]) -> Route:
    """GET /log gives the commits of all *aggregates* after a cursor, and waits for the next one.

    *bodies* make, by category, the body that clients see of a stored one.
    """

    def answer(call: Call) -> Answer:
        asked = without_filter(call)
        query = call.query
        if ("last" in query or "log" in query) and not call.is_of_house:
            raise Problem("house-only")
        (position,) = after_of(asked, *CURSOR_PARTS, name="after") or (beginning(call),)
        read = in_chosen_log(call).follower.page if call.is_of_house else call.services.page
        try:
            page = read(
                position,
                query["limit"],
                wanted(query.get("category"), query.get("correlation"), aggregates),
                query["wait"],
                MOST_SEARCHED if "correlation" in query else MOST_BLOCKS,
            )
        except BeyondTheLogError as error:
            detail = "is beyond the end of this log"
            raise Problem(
                "bad-cursor", errors=[{"parameter": "after", "detail": detail}]
            ) from error
        return Answer(
            {
                "items": [
                    commit_json(
                        at if call.is_of_house else None,
                        commit,
                        aggregates,
                        bodies,
                        call.services.repairs,
                        query["unreadable"],
                    )
                    for at, commit in page.commits
                ],
                "next": cursor(asked, [page.following]),
                "position": page.following if call.is_of_house else None,
                "atEnd": page.at_end,
            }
        )

    return Route(
        "GET",
        "/log",
        "follow_log",
        "The commits of all streams in the one order, from a cursor on",
        answer,
        FollowedPage(),
        scope="feed",
        query=FollowQuery(sorted(aggregates)),
        problems=("bad-cursor", "house-only", "unavailable"),
        function=FEED,
    )


def without_filter(call: Call) -> Call:
    """The call as its cursor sees it: a reader may change what it wants, and go on."""
    return replace(
        call, query={name: call.query[name] for name in ("after", "log") if name in call.query}
    )


def beginning(call: Call) -> int:
    """The position at which a reader without a cursor begins."""
    if "since" in call.query:
        since = in_chosen_log(call).follower.since if call.is_of_house else call.services.since
        return since(call.query["since"])
    if "last" not in call.query and call.query["from_"] == "beginning":
        return 0
    chosen = in_chosen_log(call).log.head() if call.is_of_house else None
    end = call.services.end() if chosen is None else chosen.next_position
    return max(0, end - cast("int", call.query.get("last", 0)))


def wanted(
    category: str | None, correlation: str | None, known: Collection[str]
) -> Callable[[Commit], bool]:
    """Whether the feed gives a commit: of all *known* categories or of one, and of all correlation
    ids or of one.
    """
    chosen = known if category is None else {category}
    return lambda commit: (
        correlation in (None, commit.correlation_id)
        and AggregateId.parse(commit.aggregate_id).category in chosen
    )


def commit_json(
    position: int | None,
    commit: Commit,
    aggregates: Mapping[str, Aggregate],
    bodies: Mapping[str, BodyJson],
    repairs: Repairs,
    unreadable: Literal["fail", "show"],
) -> Json:
    """A commit with its causes and its events."""
    _, category, key = AggregateId.parse(commit.aggregate_id)
    shown, codec = bodies.get(category, as_stored), aggregates[category].codec
    # A copy in another program is out of an erasure's reach, so the feed opens nothing.
    blind = commit.blind()
    if unreadable == "show":
        events = events_as_they_are(blind, codec, shown, repairs)
    else:
        events = with_nothing_unreadable(events_json(blind, codec, shown, repairs))
    return {
        "stream": commit.aggregate_id,
        "version": commit.version,
        "position": position,
        "category": category,
        "id": key,
        "at": commit.at,
        "actor": commit.actor,
        "correlationId": commit.correlation_id,
        "causes": [{"stream": stream, "version": version} for stream, version in commit.deps],
        "events": events,
    }


def as_stored(body: Json) -> Json:
    """The body of an event whose context shows it as it is stored."""
    return body


def events_as_they_are(
    commit: Commit, codec: Codec[Any], shown: BodyJson, repairs: Repairs
) -> list[Json]:
    """The events of a commit as they are read today. If one cannot be, each as it is stored.

    Raises `Unavailable`.
    """
    try:
        return with_nothing_unreadable(events_json(commit, codec, shown, repairs))
    except Unavailable:
        raise
    except Exception:  # noqa: BLE001 - an upcast may raise anything
        return [
            {
                "name": stored.name,
                "eventVersion": stored.version,
                "body": stored.body,
                "correction": None,
                "unreadable": why_unreadable(codec, stored),
            }
            for stored in commit.events
        ]


def with_nothing_unreadable(events: list[Json]) -> list[Json]:
    """Events that could be read, as the feed shows them."""
    return [{**event, "unreadable": None} for event in events]


def why_unreadable(codec: Codec[Any], stored: StoredEvent) -> str | None:
    """Why today's code cannot read a stored event; None if it can."""
    try:
        codec.decode(stored)
    except Exception as error:  # noqa: BLE001 - an upcast may raise anything
        return reason_of(error)
    return None


def reason_of(error: Exception) -> str:
    """What people are told of a failure of code that has seen no personal data."""
    return f"{type(error).__name__}: {error}"[:REASON_LENGTH]

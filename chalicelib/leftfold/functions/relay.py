"""The function `relay`, which the events table's stream or a wake starts."""

from contextlib import nullcontext
from typing import Any

from chalicelib.leftfold.kernel import Commit
from chalicelib.leftfold.metrics import emit
from chalicelib.leftfold.relay.relay import wanted_of
from chalicelib.leftfold.store.events import commit_key, is_bar, readable
from chalicelib.leftfold.wiring.process import services


def relay(event: Any, _context: Any) -> None:
    """Logs the commits in the stream records, and those that a wake names."""
    # Made first, because the services give the metrics of this process their stack.
    current = services()
    images = [record["dynamodb"] for record in event["Records"] if is_new(record)]
    keys = [commit_key(image["Keys"]) for image in images]
    wanted = wanted_of([*keys, *event.get("wanted", {}).items()])
    commits = [commit for image in images if (commit := commit_in(image))]
    traced = (
        current.traces.during("relay", [commit.traceparent for commit in commits])
        if current.traces
        else nullcontext()
    )
    with traced:
        logged = current.relays.run(wanted, commits)
    emit("CommitsLogged", logged)


def is_new(record: dict[str, Any]) -> bool:
    """Whether the record tells of a new commit. A bar is no commit."""
    return record["eventName"] == "INSERT" and not is_bar(record["dynamodb"].get("NewImage", {}))


def commit_in(record: dict[str, Any]) -> Commit | None:
    """The commit in a stream record; None if the record has no item, or an unreadable one."""
    image = dict(record.get("NewImage", {}))
    # Only loads need these two attributes. As bytes, they are base64 text in a record.
    image.pop("snapshot", None)
    image.pop("recentCommands", None)
    return readable(image) if image else None

"""What operators of the house see of the stage: its alarms, and where the archiver is."""

from typing import Any

from marshmallow import fields, validate

from chalicelib.leftfold.http.fields import Shown
from chalicelib.leftfold.http.operating import for_house
from chalicelib.leftfold.http.routes import Answer, Call, Route
from chalicelib.leftfold.kernel.commit import instant
from chalicelib.leftfold.store.alarms import Alarm


class AlarmShown(Shown):
    """An alarm of CloudWatch; it is in its *state* since then."""

    name = fields.String(required=True)
    state = fields.String(required=True, validate=validate.OneOf(["ok", "alarm", "unknown"]))
    says = fields.String(required=True)
    since = fields.String(required=True, metadata={"format": "date-time"})


class ArchiverShown(Shown):
    """The archiver: *stream* is the one that it began last, null if it has gone through all."""

    stream = fields.String(required=True, allow_none=True)


class Upkeep(Shown):
    """The alarms, and the archiver; null before its first run."""

    alarms = fields.List(fields.Nested(AlarmShown), required=True)
    archiver = fields.Nested(ArchiverShown, required=True, allow_none=True)


def show_upkeep(call: Call) -> Answer:
    """The state of every alarm, and where the archiver is."""
    # Imported here, so that no other route waits for the archiver's code.
    from chalicelib.leftfold.archive.archiver import READER as ARCHIVER

    services = for_house(call)
    note = services.checkpoints.note(ARCHIVER)
    return Answer(
        {
            "alarms": [alarm_json(one) for one in services.alarm_states.all()],
            "archiver": None if note is None else {"stream": note or None},
        }
    )


def alarm_json(alarm: Alarm) -> dict[str, Any]:
    """An alarm as clients see it."""
    return {
        "name": alarm.name,
        "state": alarm.state,
        "says": alarm.says,
        "since": instant(alarm.since),
    }


routes: tuple[Route, ...] = (
    Route(
        "GET",
        "/upkeep",
        "show_upkeep",
        "The stage's alarms, and where the archiver is",
        show_upkeep,
        Upkeep(),
        scope="operate",
        problems=("house-only", "unavailable"),
    ),
)

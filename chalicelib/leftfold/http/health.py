"""Whether the service is up, for everybody, and how its dependencies are, for operators."""

from marshmallow import fields, validate

from chalicelib.leftfold.http.fields import Shown
from chalicelib.leftfold.http.log import write
from chalicelib.leftfold.http.problems import Problem
from chalicelib.leftfold.http.routes import Answer, Call, Route

STATES = ("ok", "failing")


class Up(Shown):
    """The service answers; its dependencies were not asked."""

    status = fields.String(required=True, validate=validate.Equal("ok"))


class Health(Shown):
    """The state of each dependency, and of all together."""

    status = fields.String(required=True, validate=validate.OneOf(STATES))
    checks = fields.Dict(
        keys=fields.String(),
        values=fields.String(validate=validate.OneOf(STATES)),
        required=True,
    )


def up(_call: Call) -> Answer:
    """Costs no call of any dependency: strangers may ask as often as they like."""
    return Answer({"status": "ok"})


def health(call: Call) -> Answer:
    """The state of each dependency, by name. Its error goes to the log, not to the client."""
    results = call.house.health()
    failing = {name: str(error) for name, error in results.items() if error is not True}
    checks = {name: "failing" if name in failing else "ok" for name in results}
    if failing:
        write("a dependency fails", "WARNING", failing=failing, correlation_id=call.correlation_id)
        raise Problem("unhealthy", checks=checks)
    return Answer({"status": "ok", "checks": checks})


routes: tuple[Route, ...] = (
    Route(
        "GET",
        "/health",
        "check_up",
        "Whether the service answers",
        up,
        Up(),
        scope=None,
    ),
    Route(
        "GET",
        "/health/dependencies",
        "check_health",
        "Check whether the service's dependencies answer",
        health,
        Health(),
        scope="operate",
        problems=("unhealthy",),
        is_watched=False,
    ),
)

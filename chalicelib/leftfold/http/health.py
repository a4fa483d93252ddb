"""Whether the service's dependencies answer."""

from marshmallow import fields, validate

from chalicelib.leftfold.http.fields import Shown
from chalicelib.leftfold.http.log import write
from chalicelib.leftfold.http.problems import Problem
from chalicelib.leftfold.http.routes import Answer, Call, Route

STATES = ("ok", "failing")


class Health(Shown):
    """Each dependency, and whether all are well."""

    status = fields.String(required=True, validate=validate.OneOf(STATES))
    checks = fields.Dict(
        keys=fields.String(),
        values=fields.String(validate=validate.OneOf(STATES)),
        required=True,
    )


def health(call: Call) -> Answer:
    """Every dependency by name; what exactly fails is for the log, not for the world."""
    results = call.services.health()
    failing = {name: str(why) for name, why in results.items() if why is not True}
    checks = {name: "failing" if name in failing else "ok" for name in results}
    if failing:
        write(failing=failing, correlationId=call.correlation_id)
        raise Problem("unhealthy", checks=checks)
    return Answer({"status": "ok", "checks": checks})


routes: tuple[Route, ...] = (
    Route(
        "GET",
        "/health",
        "check_health",
        "Whether the service's dependencies answer",
        health,
        Health(),
        problems=("unhealthy",),
    ),
)

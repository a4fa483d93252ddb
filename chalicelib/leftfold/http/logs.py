"""The log that an operator of the house looks at, where a stage has several."""

from marshmallow import fields, validate

from chalicelib.leftfold.http.fields import Strict
from chalicelib.leftfold.http.problems import Problem
from chalicelib.leftfold.http.routes import Call
from chalicelib.leftfold.store.ports import MAIN
from chalicelib.leftfold.wiring.services import Services


class OfLog(Strict):
    """The parameter of a route that shows a log with the commits of many tenants."""

    log = fields.String(
        validate=validate.Length(1, 32),
        metadata={
            "description": "Where a stage has several logs: main, main-1, main-2, …; by default main."
            " For operators of the house: each tenant's commits are in one log, which it needs not name."
        },
    )


def for_house(call: Call) -> Services:
    """The services, for what shows how busy all tenants are together. Raises `Problem`."""
    if not call.is_of_house:
        raise Problem("house-only")
    return call.house


def in_chosen_log(call: Call) -> Services:
    """The services of the log that an operator of the house names. Raises `Problem`."""
    services = for_house(call)
    name: str = call.query.get("log", MAIN)
    if name not in services.settings.logs:
        detail = f"must be one of: {', '.join(services.settings.logs)}"
        raise Problem("invalid-query", errors=[{"parameter": "log", "detail": detail}])
    return services.in_log(name)

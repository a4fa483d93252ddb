"""The Lambda functions that events, schedules and wakes start.

Each view and policy of a domain has a function of its name, from `readers`; the engine has those
in `ENGINE`. Lambda asks `entry` for a function by its name, which imports that function's code
and nothing else. So a function starts fast. `event_functions` shows all functions to Chalice.
`sources` names the bus that feeds them, and `budgets` how long before its time-out each of them
begins nothing more. Some of the engine's functions run once for a truth, however many applications
it has: CloudFormation makes these, and `truth` is where Lambda finds them.
"""

import json
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from chalicelib.leftfold.errors import trace
from chalicelib.leftfold.lines import begin, line
from chalicelib.leftfold.wiring.process import served, services

if TYPE_CHECKING:
    from chalice.app import Blueprint

    from chalicelib.leftfold.kernel import Domain

# What Lambda calls, with the event as parsed JSON and with Lambda's context. Only a step of a state
# machine has an answer.
Handler = Callable[[Any, Any], Any]
# The engine's functions, each with the module of this package that has its code.
ENGINE = {
    "relay": "relay",
    "log_grew": "log_grew",
    "sweeper": "sweeper",
    "deadlines": "deadlines",
    "archive": "archive",
    "purge": "purge",
    "forget": "forget",
    "copier": "generations",
    "taker": "generations",
    "fill": "fill",
}
# What a schedule starts in a generation that follows another, and nobody in any other one.
FOLLOWING = ("copier", "taker")
SCHEDULES = {
    "deadlines": "rate(1 minute)",
    "purge": "rate(1 day)",
    "forget": "rate(5 minutes)",
}
# An event source mapping is created after its stream, and must not miss the records in between.
OLDEST = "TRIM_HORIZON"


class FunctionFailedError(Exception):
    """A function has failed. Lambda writes the message of an exception to the function's log, so this
    one says where the failure was, and nothing of what was at work.
    """


def entry(name: str) -> Handler:
    """The function *name* as Lambda calls it. Raises AttributeError."""
    code = handler(name)

    def function(event: Any, context: Any) -> Any:
        try:
            return code(event, context)
        except Exception as error:  # noqa: BLE001 - any may say what no log may have
            raise FunctionFailedError(trace(error)) from None

    return function


def handler(name: str) -> Handler:
    """The function *name*, for the domain of this process. Raises AttributeError.

    Its log tells of each invocation, and its spans are sent before it ends.
    """
    work = work_of(name)

    def function(event: Any, context: Any) -> Any:
        begin(name, context)
        try:
            return work(event, context)
        except Exception as error:
            # Lambda writes the trace, as text and without the invocation's id.
            failed = line("ERROR", f"{name} failed", exception_name=type(error).__name__)
            print(json.dumps(failed))  # noqa: T201 - a function's log is its standard output
            raise
        finally:
            if traces := services().traces:
                traces.send()

    return function


def work_of(name: str) -> Handler:
    """The code of the function *name*. Raises AttributeError."""
    if name in ENGINE:
        own: Handler = getattr(import_module(f"{__name__}.{ENGINE[name]}"), name)
        return own
    domain = served()
    found = domain.views.get(name) or domain.policies.get(name)
    if found is None:
        raise AttributeError(f"no context lists a view or a policy {name!r}, so it has no function")
    from chalicelib.leftfold.functions.readers import reader

    return reader(name)


def event_functions(module: ModuleType, domain: "Domain") -> "Blueprint":
    """The functions of an application, as Chalice's packager sees them.

    *module* is where Lambda looks for a function by its name. Raises ValueError for a view or a
    policy that is named like a function of the engine, or like another attribute of *module*.
    """
    from chalice.app import Blueprint

    from chalicelib.leftfold.functions.sources import BUS

    for name in (*domain.views, *domain.policies):
        if name in ENGINE or name in vars(module):
            raise ValueError(f"{name!r} is a name of the engine's own; rename the reader")
    functions = Blueprint(module.__name__)
    oldest: Any = {"starting_position": OLDEST}
    for name, schedule in SCHEDULES.items():
        functions.schedule(schedule, name=name)(of_event(name))
    for name in (*FOLLOWING, "fill"):
        functions.lambda_function(name=name)(of_call(name))
    for name in (*domain.views, *domain.policies):
        if name in domain.fed_by_bus:
            functions.on_kinesis_record(BUS, name=name, batch_size=200, **oldest)(of_event(name))
        else:
            functions.lambda_function(name=name)(of_call(name))
    return functions


def of_event(name: str) -> Callable[[Any], None]:
    """The function *name* as Chalice calls it with an event of its own class."""

    def function(event: Any) -> None:
        entry(name)(event.to_dict(), event.context)

    function.__name__ = name
    return function


def of_call(name: str) -> Handler:
    """The function *name* as Chalice calls it with what Lambda gave."""

    def function(event: Any, context: Any) -> Any:
        return entry(name)(event, context)

    function.__name__ = name
    return function

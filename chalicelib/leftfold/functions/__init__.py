"""The Lambda functions that events, schedules and wakes start.

`event_functions` gives Chalice one function for each view and policy of a domain, from `readers`,
and those of the engine, each from the module of its name. `sources` names the streams that feed
them, and `budgets` how long before its time-out each of them begins nothing more.
"""

from collections.abc import Callable, Mapping
from typing import Any

from chalice.app import Blueprint

from chalicelib.leftfold.functions import archive, deadlines, forget, purge, readers, relay, sweeper
from chalicelib.leftfold.functions.sources import BUS, EVENTS_STREAM, LOG_STREAM
from chalicelib.leftfold.kernel import Domain
from chalicelib.leftfold.wiring.process import serve

Handler = Callable[..., Any]
# An event source mapping is created after its stream, and must not miss the records in between.
OLDEST = "TRIM_HORIZON"


def event_functions(module: str, domain: Domain) -> tuple[Blueprint, Mapping[str, Handler]]:
    """The functions as Chalice's packager sees them, and the handlers by their names.

    *module* is the import path of the module that will have the handlers, where Lambda looks
    for them. Raises ValueError for a view or a policy that is named like a function of the
    engine.
    """
    serve(domain)
    functions = Blueprint(module)
    handlers = {
        "relay": functions.on_dynamodb_record(
            EVENTS_STREAM, name="relay", batch_size=500, starting_position=OLDEST
        )(relay.relay),
        "log_grew": functions.on_dynamodb_record(
            LOG_STREAM, name="log_grew", batch_size=1000, starting_position=OLDEST
        )(readers.log_grew),
        "sweeper": functions.schedule("rate(1 minute)", name="sweeper")(sweeper.sweeper),
        "deadlines": functions.schedule("rate(1 minute)", name="deadlines")(deadlines.deadlines),
        "archive": functions.schedule("rate(1 day)", name="archive")(archive.archive),
        "purge": functions.schedule("rate(1 day)", name="purge")(purge.purge),
        "forget": functions.schedule("rate(5 minutes)", name="forget")(forget.forget),
    }
    for name in (*domain.views, *domain.policies):
        if name in (*handlers, "functions", "handlers"):
            raise ValueError(f"{name!r} is the name of a function of the engine; rename the reader")
    for view in domain.views.values():
        if view.fed == "bus":
            register = functions.on_kinesis_record(
                BUS, name=view.name, batch_size=200, starting_position=OLDEST
            )
            handlers[view.name] = register(readers.fed_by_bus(view.name))
        else:
            register = functions.lambda_function(name=view.name)
            handlers[view.name] = register(readers.woken(view.name))
    for name in domain.policies:
        handlers[name] = functions.lambda_function(name=name)(readers.woken(name))
    return functions, handlers

"""The functions of an application, as Chalice's packager sees them."""

from collections.abc import Callable, Mapping
from typing import Any

from chalice.app import Blueprint

from chalicelib.leftfold.functions import deadlines, purge, readers
from chalicelib.leftfold.functions.sources import BUS
from chalicelib.leftfold.kernel import Domain
from chalicelib.leftfold.wiring.process import serve
from chalicelib.leftfold.wiring.settings import FUNCTIONS_OF_TRUTH

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
        "deadlines": functions.schedule("rate(1 minute)", name="deadlines")(deadlines.deadlines),
        "purge": functions.schedule("rate(1 day)", name="purge")(purge.purge),
    }
    for name in (*domain.views, *domain.policies):
        if name in (*handlers, *FUNCTIONS_OF_TRUTH, "functions", "handlers"):
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

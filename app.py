"""The Chalice app: the HTTP routes, and the Lambda functions that events start.

A request enters at `chalicelib.leftfold.http`, an event at `chalicelib.leftfold.functions`; the
docstring of each package describes the path from there.
"""

from typing import Any

from chalice.app import Chalice

from chalicelib import functions
from chalicelib.leftfold.functions import event_functions
from chalicelib.leftfold.http.api import Api, blueprint
from chalicelib.leftfold.wiring.domain_index import packaged
from chalicelib.leftfold.wiring.process import served

API = Api(served(), "A bank's back office, event-sourced.", packaged())

app = Chalice(app_name="leftfold")
app.register_blueprint(blueprint(API))
app.register_blueprint(event_functions(functions, served()))


@app.lambda_function(name="feed")
def feed(event: Any, context: Any) -> Any:
    """Serves the routes that wait, so that waiting readers take no function from commands."""
    return app(event, context)

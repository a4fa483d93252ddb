"""The Chalice app: registers the routes and the event functions; nothing else."""

from chalice.app import Chalice

from chalicelib.domain import DOMAIN
from chalicelib.functions import functions
from chalicelib.leftfold.http.api import api_of, blueprint

API = api_of(DOMAIN, "A bank's back office, event-sourced.")

app = Chalice(app_name="leftfold")
app.register_blueprint(blueprint(API))
app.register_blueprint(functions)

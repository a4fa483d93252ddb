"""The Chalice app: registers routes and event sources; nothing else."""

from chalice.app import Chalice

from chalicelib.functions.policies import functions as policies
from chalicelib.functions.relay import functions as relay
from chalicelib.functions.upkeep import functions as upkeep
from chalicelib.functions.views import functions as views
from chalicelib.http.api import api

app = Chalice(app_name="leftfold")
app.register_blueprint(api)
app.register_blueprint(policies)
app.register_blueprint(relay)
app.register_blueprint(upkeep)
app.register_blueprint(views)

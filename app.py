"""The Chalice app: registers routes and event sources; nothing else."""

from chalice.app import Chalice
from chalicelib.functions_or_readers import functions as views

from chalicelib.leftfold.functions.policies import functions as policies
from chalicelib.leftfold.functions.relay import functions as relay
from chalicelib.leftfold.functions.upkeep import functions as upkeep
from chalicelib.leftfold.http.api import api

app = Chalice(app_name="leftfold")
app.register_blueprint(api)
app.register_blueprint(policies)
app.register_blueprint(relay)
app.register_blueprint(upkeep)
app.register_blueprint(views)

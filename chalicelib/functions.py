"""The Lambda functions that events, schedules and wake-ups start.

Lambda looks each function up in this module by its name, and the module imports no HTTP.
"""

from chalicelib.domain import DOMAIN
from chalicelib.leftfold.functions import event_functions

functions, handlers = event_functions(__name__, DOMAIN)
globals().update(handlers)

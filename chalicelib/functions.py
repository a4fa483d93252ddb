"""The application's Lambda functions that events, schedules and wakes start.

Lambda looks up each function in this module by its name. The module imports no HTTP, so that
these functions start fast.
"""

from chalicelib.domain import DOMAIN
from chalicelib.leftfold.functions.application import event_functions

functions, handlers = event_functions(__name__, DOMAIN)
globals().update(handlers)

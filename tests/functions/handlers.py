"""The functions of an application and of its truth, by their names."""

from chalicelib.functions import handlers as of_application
from chalicelib.leftfold.functions.truth import HANDLERS as OF_TRUTH

handlers = {**of_application, **OF_TRUTH}

"""The Lambda functions that events, schedules and wakes start.

Lambda looks up each function in this module by its name. The function's own code is imported
then, and no other: no HTTP, and no context that it does not use.
"""

from chalicelib.leftfold.functions import entry, handler
from chalicelib.leftfold.kernel import Domain
from chalicelib.leftfold.wiring.domain_index import indexed
from chalicelib.leftfold.wiring.process import serve

__all__ = ["handler"]


def whole_domain() -> Domain:
    """The domain with all of its contexts."""
    from chalicelib.domain import DOMAIN

    return DOMAIN


serve(indexed(whole_domain))

# Python calls it for a name that this module does not have (PEP 562).
__getattr__ = entry

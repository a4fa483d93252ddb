"""The functions of a truth, which run once for all its applications.

CloudFormation makes them, not Chalice: they know no domain, and change with the engine alone. Lambda
looks up each of them in this module by its name.
"""

from collections.abc import Callable, Mapping
from typing import Any

from chalicelib.leftfold.functions.archive import archive
from chalicelib.leftfold.functions.log_grew import log_grew
from chalicelib.leftfold.functions.relay import relay
from chalicelib.leftfold.functions.sweeper import sweeper

HANDLERS: Mapping[str, Callable[[Any, Any], None]] = {
    "relay": relay,
    "log_grew": log_grew,
    "sweeper": sweeper,
    "archive": archive,
}

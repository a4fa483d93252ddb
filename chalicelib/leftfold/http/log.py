"""One line of JSON for each request; CloudWatch Logs finds the fields by itself."""

import hashlib
import logging
import sys
import traceback
from typing import Any

from chalicelib.leftfold.kernel.commit import canonical

log = logging.getLogger("leftfold.http")
log.setLevel(logging.INFO)
log.propagate = False
log.addHandler(logging.StreamHandler(sys.stdout))


def write(**facts: Any) -> None:
    """Writes one line; nothing in it tells of a person."""
    log.info("%s", canonical(facts))


def trace(error: Exception) -> str:
    """Where *error* was raised, for the line of a request that failed unforeseen."""
    return "".join(traceback.format_exception(error))


def fingerprint(command_id: str | None) -> str | None:
    """Stands for a client's key, which may be anything."""
    if command_id is None:
        return None
    return hashlib.sha256(command_id.encode()).hexdigest()[:16]

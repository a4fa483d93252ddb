"""The log of requests: one line of JSON each, whose fields CloudWatch Logs can search."""

import hashlib
import json
import logging
import sys
from typing import Any

from chalicelib.leftfold.lines import line

log = logging.getLogger("leftfold.http")
log.setLevel(logging.INFO)
log.propagate = False
log.addHandler(logging.StreamHandler(sys.stdout))


def write(message: str, level: str = "INFO", **facts: Any) -> None:
    """Writes one line. No fact in it may be personal data."""
    log.info("%s", json.dumps(line(level, message, **facts), separators=(",", ":")))


def fingerprint(command_id: str | None) -> str | None:
    """A hash of the client's key, which may be any text, personal data too."""
    if command_id is None:
        return None
    return hashlib.sha256(command_id.encode()).hexdigest()[:16]

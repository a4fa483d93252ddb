"""What each line of a function's log says beside its own facts, in the words of AWS Lambda Powertools.

So the tools that read Powertools' lines read these, and a line is found by the id of its invocation.
"""

import os
import time
from datetime import UTC, datetime
from typing import Any

_service = "unnamed"
_invocation: dict[str, Any] = {}
_is_cold = True


def belong_to(stack: str) -> None:
    """Makes *stack* the service of every line that this process writes from now on."""
    global _service  # noqa: PLW0603 - a process belongs to one stack
    _service = stack


def begin(function: str, context: Any) -> None:
    """Begins an invocation of *function*: all lines from now on are of it.

    *context* is Lambda's; it is None where the function does not run on Lambda.
    """
    global _invocation, _is_cold  # noqa: PLW0603 - a process serves one invocation at a time
    _invocation = {
        "function_name": getattr(context, "function_name", function),
        "function_request_id": getattr(context, "aws_request_id", None),
        "cold_start": _is_cold,
    }
    root = os.environ.get("_X_AMZN_TRACE_ID", "").partition("Root=")[2].partition(";")[0]
    if root:
        _invocation["xray_trace_id"] = root
    _is_cold = False


def line(level: str, message: str, **facts: Any) -> dict[str, Any]:
    """A line of the log. None of its *facts* may be personal data."""
    now = datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="milliseconds")
    return {
        "level": level,
        "timestamp": now.replace("+00:00", "Z"),
        "service": _service,
        "message": message,
        **_invocation,
        **facts,
    }

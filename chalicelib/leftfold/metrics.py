"""Metrics in CloudWatch's embedded metric format, which it reads from a function's log."""

import json
import time
from typing import Any

from chalicelib.leftfold import lines

NAMESPACE = "Leftfold"

_stack = "unnamed"


def belong_to(stack: str) -> None:
    """Makes *stack* the dimension `stack` of every metric that this process emits from now on."""
    global _stack  # noqa: PLW0603 - a process belongs to one stack
    _stack = stack
    lines.belong_to(stack)


def emit(metric: str, value: float, *, unit: str = "Count", **facts: Any) -> None:
    """Writes one metric of the stack. *facts* explain it; a fact `view` is a dimension as well."""
    dimensions = ["stack", "view"] if "view" in facts else ["stack"]
    print(  # noqa: T201 - a function's log is its standard output
        json.dumps(
            {
                "_aws": {
                    "Timestamp": time.time_ns() // 1_000_000,
                    "CloudWatchMetrics": [
                        {
                            "Namespace": NAMESPACE,
                            "Dimensions": [dimensions],
                            "Metrics": [{"Name": metric, "Unit": unit}],
                        }
                    ],
                },
                "stack": _stack,
                metric: value,
                **lines.line("INFO", metric, **facts),
            }
        )
    )


def note(did: str, **facts: Any) -> None:
    """Writes one line about what an invocation *did*, which is no metric."""
    said = {"stack": _stack, **lines.line("INFO", did, **facts)}
    print(json.dumps(said))  # noqa: T201 - as above

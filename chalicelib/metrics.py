"""Metrics as CloudWatch reads them from a function's log: embedded metric format."""

import json
import time
from typing import Any

NAMESPACE = "Leftfold"


def emit(metric: str, value: float, *, unit: str = "Count", **facts: Any) -> None:
    """Writes one metric; *facts* are its dimension `view`, if given, and what explains it."""
    dimensions = [["view"]] if "view" in facts else [[]]
    print(  # noqa: T201 - a function's log is its standard output
        json.dumps(
            {
                "_aws": {
                    "Timestamp": time.time_ns() // 1_000_000,
                    "CloudWatchMetrics": [
                        {
                            "Namespace": NAMESPACE,
                            "Dimensions": dimensions,
                            "Metrics": [{"Name": metric, "Unit": unit}],
                        }
                    ],
                },
                metric: value,
                **facts,
            }
        )
    )

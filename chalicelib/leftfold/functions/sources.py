"""Where the functions' events come from, and what an event tells besides.

The names stand in for what only CloudFormation knows: infra/resources.json replaces each.
"""

from typing import Any

EVENTS_STREAM = "arn:aws:dynamodb:region:account:table/events/stream/label"
LOG_STREAM = "arn:aws:dynamodb:region:account:table/log/stream/label"
BUS = "bus"


def time_left(event: Any) -> int:
    """Milliseconds until Lambda ends the function that was given *event*."""
    left: int = event.context.get_remaining_time_in_millis()
    return left

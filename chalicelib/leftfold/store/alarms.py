"""The alarms of a stage, as CloudWatch has them."""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple, Protocol

from chalicelib.leftfold.store.dynamo import translated

State = Literal["ok", "alarm", "unknown"]
STATES: dict[str, State] = {"OK": "ok", "ALARM": "alarm"}


class Alarm(NamedTuple):
    """An alarm under the name that the stack gives it; *says* is its description.

    It is in its *state* since the time *since*. "unknown" is one that has measured too little.
    """

    name: str
    state: State
    says: str
    since: datetime


class Alarms(Protocol):
    """The alarms of an application, of its truth and of its stage."""

    def all(self) -> Sequence[Alarm]:
        """All alarms, by name. Raises `Unavailable` and `CallRefusedError`."""


class MemoryAlarms:
    """`Alarms` in memory, over *stored*."""

    def __init__(self) -> None:
        self.stored: list[Alarm] = []

    def all(self) -> Sequence[Alarm]:
        return sorted(self.stored)


class CloudWatchAlarms:
    """`Alarms` in CloudWatch, where CloudFormation has named them STACK-ALARM-SUFFIX.

    *stage*, *truth* and *stack* are the names of stage, truth and application. Another application
    of the stage has a stack STAGE--NAME, whose alarms are its own.
    """

    def __init__(self, client: Any, stage: str, truth: str, stack: str) -> None:
        self._client = client
        self._stage = stage
        owners = "|".join(map(re.escape, dict.fromkeys((stack, stage, truth))))
        self._named = re.compile(rf"(?:{owners})(?:-truth|-beside)?-([A-Za-z0-9]+)-[A-Za-z0-9]+")

    def all(self) -> Sequence[Alarm]:
        with translated():
            return sorted(self._found())

    def _found(self) -> Iterator[Alarm]:
        pages = self._client.get_paginator("describe_alarms").paginate(
            AlarmNamePrefix=f"{self._stage}-"
        )
        for page in pages:
            for one in page["MetricAlarms"]:
                named = self._named.fullmatch(one["AlarmName"])
                if named:
                    yield Alarm(
                        named[1],
                        STATES.get(one["StateValue"], "unknown"),
                        one.get("AlarmDescription", ""),
                        one["StateUpdatedTimestamp"],
                    )

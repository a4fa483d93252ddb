"""The waker on Lambda. A wake is an asynchronous invocation without records."""

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.leftfold.errors import told
from chalicelib.leftfold.metrics import emit
from chalicelib.leftfold.store.ports import MAIN

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient


class LambdaWaker:
    """`Waker` on Lambda. *named* turns a function's name into its name in the stack.

    *log* is the log in which there is work.
    """

    def __init__(
        self, client: "LambdaClient", named: Callable[[str], str], log: str = MAIN
    ) -> None:
        self._client = client
        self._named = named
        self._log = log

    def wake(self, function: str, wanted: Mapping[str, int] = {}, /) -> None:
        try:
            self._client.invoke(
                FunctionName=self._named(function),
                InvocationType="Event",
                Payload=json.dumps(
                    {"Records": [], "log": self._log, "wanted": dict(wanted)}
                ).encode(),
            )
        except (BotoCoreError, ClientError) as error:
            # A lost wake only costs time: the sweeper wakes the function within minutes.
            emit("WakeUpsLost", 1, function=function, reason=told(error))

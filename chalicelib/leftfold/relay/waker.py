"""The waker on Lambda: an asynchronous invocation with no record in it."""

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.leftfold.metrics import emit

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient


class LambdaWaker:
    """`Waker` on Lambda. *named* gives a function's full name."""

    def __init__(self, client: "LambdaClient", named: Callable[[str], str]) -> None:
        self._client = client
        self._named = named

    def wake(self, function: str, wanted: Mapping[str, int] = {}, /) -> None:
        try:
            self._client.invoke(
                FunctionName=self._named(function),
                InvocationType="Event",
                Payload=json.dumps({"Records": [], "wanted": dict(wanted)}).encode(),
            )
        except (BotoCoreError, ClientError) as error:
            # Nothing depends on a wake: the sweeper comes by.
            emit("WakeUpsLost", 1, function=function, reason=str(error))

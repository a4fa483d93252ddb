"""How the parts of the application are made."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, BrokenBarrierError
from typing import Any

import boto3
import pytest

from chalicelib.leftfold.wiring.clients import client


def test_clients_are_made_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    together = Barrier(2)

    class Made:
        """A client; *alone* says that no other was made at the same time."""

        def __init__(self, *, alone: bool) -> None:
            self.alone = alone
            self.meta = boto3.session.Session()

    def make(_service: str, **_config: Any) -> Made:
        try:
            together.wait(timeout=0.2)
        except BrokenBarrierError:
            return Made(alone=True)
        return Made(alone=False)

    monkeypatch.setattr(boto3, "client", make)
    with ThreadPoolExecutor(2) as pool:
        made = list(pool.map(lambda _: client("s3"), range(2)))
    assert [one.alone for one in made] == [True, True]

"""Streams go to another generation on a real engine, under load, with requests struck."""

import pytest

from tests.engines.moving import Move
from tests.simulation.generations import Kind


@pytest.mark.parametrize("kind", ["split", "merge", "events"])
def test_streams_go_over_under_load_and_no_law_breaks(dynamodb_local: str, kind: Kind) -> None:
    move = Move(dynamodb_local, kind, seed=1, rate=0.05, accounts=6)
    figures = move.run(writers=4, commands=8)
    assert figures.broken == []
    assert figures.outcomes["acknowledged"] > 20
    assert figures.struck.total() > 5
    assert figures.waits

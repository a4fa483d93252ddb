"""No history of several logs breaks a law, and each rule that is left out is missed."""

from collections.abc import Sequence
from zlib import crc32

import pytest

from chalicelib.leftfold.relay import relay
from tests.simulation.logs import Faults, logged

HISTORIES, CHUNKS = 40, 2
# Each mutant is found long before.
SEEDS_FOR_A_MUTANT = 100


@pytest.mark.parametrize("first", range(1, CHUNKS + 1))
def test_no_history_of_several_logs_breaks_a_law(first: int, share: float) -> None:
    seeds = range(first, max(first, round(HISTORIES * share)) + 1, CHUNKS)
    broken = {report.seed: report.broken for report in map(logged, seeds) if report.broken}
    again = "python -m tests.simulation --logs --count 1 --first SEED"
    assert broken == {}, f"run one again: {again}"


def test_a_seed_decides_its_history_of_several_logs() -> None:
    assert logged(3) == logged(3)


@pytest.mark.parametrize(
    ("faults", "breaks"),
    [
        (Faults(own_checkpoints=False), "I"),
        (Faults(sweeps_all=False), "I8"),
        (Faults(splits_records=False), "I"),
    ],
    ids=["one set of checkpoints", "a sweeper of one log", "records read in one log"],
)
def test_a_rule_of_several_logs_that_is_left_out_is_missed(faults: Faults, breaks: str) -> None:
    assert finds(faults, breaks)


def test_a_stream_that_goes_where_its_key_leads_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The log is the tenant's, so that its order and its rows are whole."""

    def by_stream(stream: str, names: Sequence[str]) -> str:
        return names[crc32(stream.encode()) % len(names)]

    monkeypatch.setattr(relay, "log_of", by_stream)
    assert finds(Faults(), "G1")


def finds(faults: Faults, breaks: str) -> bool:
    """Whether a history breaks the law whose name begins so."""
    return any(
        broken.startswith(breaks)
        for seed in range(1, SEEDS_FOR_A_MUTANT + 1)
        for broken in logged(seed, faults).broken
    )

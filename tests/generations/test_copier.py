"""The copier follows one log for several shards: how often it reads it, and what a shard waits for."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib.leftfold.generations.copier import BLOCKS, SHARDS, shard_of
from chalicelib.leftfold.generations.copying import AT_ONCE, NotCopiedYetError
from chalicelib.leftfold.kernel import Boundaries
from tests.generations.site import Site
from tests.teller import OPENING, credit
from tools.bank.transforms import accounts_merged

KEYS = tuple("abcdefghijklmnop")


def stream_of(key: str) -> str:
    return f"main/account-{key}"


def in_shards(*but: int) -> dict[int, str]:
    """An account of each shard, but not A or B, by its shard."""
    found = {shard_of(stream_of(key)): key for key in KEYS[2:]}
    return {shard: key for shard, key in found.items() if shard not in but}


def logged_one_by_one(site: Site, *keys: str) -> None:
    """Opens accounts, each in a block of its own."""
    for key in keys:
        site.teller("blue").do(OPENING, key)
        site.blue.sequence({stream_of(key): 1})


def test_the_log_is_read_once_for_all_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    site, read = Site(), Counter[int]()
    logged_one_by_one(site, *KEYS)
    blocks = site.blue.log.blocks

    def counted(first: int, *how: Any) -> Iterator[Any]:
        for block in blocks(first, *how):
            read[block.first_position] += 1
            yield block

    monkeypatch.setattr(site.blue.log, "blocks", counted)
    site.copier.run(range(SHARDS))
    assert len(KEYS) == BLOCKS
    assert read == Counter(range(len(KEYS)))
    assert all(len(site.stream(site.green, stream_of(key))) == 1 for key in KEYS)
    assert site.copier.progress().lag == 0


def test_a_shard_that_is_ahead_goes_on_from_where_it_is() -> None:
    site = Site()
    logged_one_by_one(site, *KEYS)
    (ahead, one), (behind, other), *_ = in_shards().items()
    site.copier.run([ahead])
    for key in (one, other):
        site.teller("blue").do(credit(1), key)
    site.log(site.blue)
    site.copier.run([ahead, behind])
    progress = site.copier.progress()
    assert progress.done[ahead] == progress.done[behind] == progress.ends[0]
    for key in (one, other):
        assert [c.version for c in site.stream(site.green, stream_of(key))] == [1, 2]


def test_a_shard_that_waits_for_another_one_stays_where_it_is_and_the_others_go_on() -> None:
    site = Site(Boundaries([accounts_merged({"b": "a"})]))
    late = shard_of(stream_of("a"))
    (waits, key), (goes_on, other), *_ = in_shards(late).items()
    logged_one_by_one(site, "a", "b", key, other)
    site.teller("blue").do(credit(1), key, deps=((stream_of("b"), 1),))
    site.log(site.blue)
    with pytest.raises(NotCopiedYetError, match="account-b is not in main/account-a yet"):
        site.copier.run([waits, goes_on])
    done = site.copier.progress().done
    assert (done[waits], done[goes_on], done[late]) == (-1, site.copier.progress().ends[0], -1)
    # Together with the one that it waits for.
    site.copier.run([waits, late])
    assert site.stream(site.green, stream_of(key))[-1].deps == ((stream_of("a"), 2),)
    assert site.copier.progress().done[waits] == site.copier.progress().ends[0]


def test_a_cause_is_found_far_back_in_a_merged_stream() -> None:
    """The stream is read in pages, newest first."""
    site = Site(Boundaries([accounts_merged({"b": "a"})]))
    logged_one_by_one(site, "a", "b")
    for _ in range(2 * AT_ONCE):
        site.teller("blue").do(credit(1), "a")
    site.log(site.blue)
    site.copy()
    site.teller("blue").do(OPENING, "c", deps=((stream_of("b"), 1),))
    site.log(site.blue)
    site.copy()
    assert site.stream(site.green, stream_of("c"))[-1].deps == ((stream_of("a"), 2),)


def test_no_copy_is_put_above_a_hole() -> None:
    """Whoever finds the newest commit of a stream relies on it that all before are there."""
    site = Site()
    logged_one_by_one(site, "a")
    site.teller("blue").do(credit(1), "a")
    site.log(site.blue)
    shard = shard_of(stream_of("a"))
    site.checkpoints.move("copier", shard, -1, 0)
    with pytest.raises(NotCopiedYetError):
        site.copier.run([shard])
    assert site.stream(site.green, stream_of("a")) == []
    assert site.copier.progress().done[shard] == 0

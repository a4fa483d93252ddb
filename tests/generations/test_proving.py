"""A proof by workers that are killed, while both generations are at work."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from typing import Any

import pytest

from chalicelib.leftfold.generations.proof import prove
from chalicelib.leftfold.generations.proving import SHARDS, Found, Proof, Prover
from chalicelib.leftfold.kernel import StoredEvent, Transform, lane_of
from chalicelib.leftfold.store.memory import MemoryArchive
from chalicelib.leftfold.store.ports import Unavailable
from tests.generations.site import Site, no_pause
from tests.generations.test_proof import MONEY, live
from tests.teller import OPENING, credit, debit
from tests.vaults import vault_of
from tools.bank.transforms import accounts_merged, cards_apart, in_place, interest_named

A = "main/account-a"
CHANGES = {
    "identity": (),
    "split": (cards_apart(),),
    "merge": (accounts_merged({"b": "a"}),),
    "events": (interest_named(),),
}


def prover(site: Site, archive: Any = None, checkpoints: Any = None) -> Prover:
    """One that goes on from what *archive* and *checkpoints* have."""
    return Prover(
        site.there.copying,
        MONEY,
        vault_of(),
        archive or MemoryArchive(),
        checkpoints or site.checkpoints,
        no_pause,
    )


def proved(made: Prover, proof: Proof | None = None) -> Found:
    """What a proof finds."""
    proof = proof or made.begun("proofs/p", 1)
    assert made.found(proof) is None
    assert all(made.run(proof, shard) for shard in range(SHARDS))
    found = made.found(proof)
    assert found is not None
    return found


def taken(*transforms: Transform) -> Site:
    """Green has all that blue had, and goes on."""
    site = live(*transforms)
    site.copy()
    site.switch()
    site.take_all()
    site.teller("green").do(credit(5), "a")
    site.log(site.green)
    return site


@pytest.mark.parametrize("transforms", CHANGES.values(), ids=CHANGES)
def test_shards_together_find_what_one_process_finds(transforms: tuple[Transform, ...]) -> None:
    site = taken(*transforms)
    whole = prove(site.blue.log, site.green.log, site.boundaries, MONEY, vault_of())
    found = proved(prover(site))
    assert found.all_differences() == []
    assert found == Found(
        streams=len(whole.has),
        total=whole.total(),
        earlier_streams=whole.streams,
        earlier_commits=whole.commits,
        earlier_events=whole.events,
        dropped=whole.dropped,
        native=1,
        before=whole.before,
        after=whole.after,
    )


class Dying:
    """A port behind which the worker dies at the call of this number."""

    def __init__(self, port: Any, dies: Callable[[], bool]) -> None:
        self._port, self._dies = port, dies

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            if self._dies():
                raise Unavailable(name)
            answer = found(*args, **kwargs)
            if isinstance(answer, Iterator):
                return self._each(answer)
            if self._dies():
                raise Unavailable(name)
            return answer

        return call if callable(found) else found

    def _each(self, items: Iterator[Any]) -> Iterator[Any]:
        for item in items:
            if self._dies():
                raise Unavailable("an item")
            yield item


def test_a_worker_that_is_killed_at_any_call_is_followed_by_one_that_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    site = taken(cards_apart())
    whole = asdict(proved(prover(site)))
    # What was seen is kept behind each block.
    monkeypatch.setattr("chalicelib.leftfold.generations.proving.LEAST", 1)
    shard, deaths = lane_of(A) % SHARDS, 0
    for at in range(1, 1_000):
        calls = iter(range(at))

        def dies(calls: Iterator[int] = calls) -> bool:
            return next(calls, None) is None

        archive, checkpoints = MemoryArchive(), type(site.checkpoints)()
        proof = prover(site, archive, checkpoints).begun("proofs/p", 1)
        giver, receiver = (
            replace(truth, log=Dying(truth.log, dies)) for truth in (site.blue, site.green)
        )
        copying = replace(site.there.copying, giver=giver, receiver=receiver)
        dying = replace(
            prover(site, Dying(archive, dies), Dying(checkpoints, dies)), copying=copying
        )
        try:
            if dying.run(proof, shard):
                break
        except Unavailable:
            deaths += 1
        assert asdict(proved(prover(site, archive, checkpoints), proof)) == whole
    assert deaths > 10


def test_a_worker_whose_time_is_over_leaves_off_and_the_next_one_reads_nothing_twice() -> None:
    site = taken()
    archive = MemoryArchive()
    proof = prover(site, archive).begun("proofs/p", 1)
    for shard in range(SHARDS):
        begun: list[int] = []
        while True:
            told: list[int] = []
            ended = prover(site, archive).run(proof, shard, lambda: False, told.append)
            # The first is what was read before.
            begun.append(told[0])
            if ended:
                break
            assert sum(told) > begun[-1]
        assert begun == sorted(set(begun))
        assert begun[-1] == proof.commits
    found = prover(site, archive).found(proof)
    assert found is not None
    assert asdict(found) == asdict(proved(prover(site)))


def test_a_proof_under_way_goes_on_and_the_one_after_it_is_new() -> None:
    site = taken()
    made = prover(site)
    first = made.begun("proofs/one", 1)
    site.teller("green").do(credit(1), "a")
    site.log(site.green)
    assert made.begun("proofs/two", 1) == first
    assert made.begun("proofs/two", 2).name == "proofs/two"
    made.ended()
    third = made.begun("proofs/three", 2)
    assert (third.name, third.commits) == ("proofs/three", first.commits + 1)


def test_what_is_written_meanwhile_is_no_difference() -> None:
    site = live()
    site.copy()
    site.log(site.green)
    # Logged in blue before the proof begins, and copied while it runs, or not at all.
    site.teller("blue").do(credit(7), "a")
    site.teller("blue").do(credit(7), "b")
    site.log(site.blue)
    made = prover(site)
    proof = made.begun("proofs/p", 0)
    site.switch()
    site.there.take(A, 1)
    site.teller("green").do(debit(3), "a")
    found = proved(made, proof)
    assert found.all_differences() == []
    assert (found.settled, found.under_way) == (1, 1)
    assert found.before == found.after == {"money": 224}


def changed(site: Site, version: int, **members: Any) -> None:
    """Puts something else into green's stream A, where nobody ever does."""
    table: Any = site.green.table
    stream = table.everything()[A]
    stream[version] = stream[version]._replace(**members)


def test_a_copy_that_was_changed_is_named_with_its_place() -> None:
    site = live()
    site.copy()
    changed(site, 2, body_hash="11" * 8)
    site.log(site.green)
    assert proved(prover(site)).all_differences() == [
        f"{A} has 3 copies, and some are not the transform: version 2 of {A} has become something else"
    ]


def test_a_stream_that_was_taken_without_its_last_commit_is_named() -> None:
    site = live()
    site.copy()
    table: Any = site.green.table
    del table._streams[A][3]
    changed(site, 2, mark=1)
    site.log(site.green)
    found = proved(prover(site))
    assert found.all_differences() == [
        f"{A} has 2 copies, and should have 3: it was taken, and lacks version 3 of {A}",
        "money was 210, and is 240",
    ]


def test_a_copy_of_nothing_is_named() -> None:
    site = live()
    site.copy()
    table: Any = site.green.table
    last = table.everything()[A][3]
    table._streams[A][4] = last._replace(version=4, root=("main/account-x", 1), command_id="x")
    site.log(site.green)
    assert proved(prover(site)).differences == [
        f"{A} has 4 copies, and should have 3: it has version 1 of main/account-x, which no source has"
    ]


def test_a_copy_that_is_there_twice_is_named() -> None:
    site = live()
    site.copy()
    table: Any = site.green.table
    table._streams[A][4] = table.everything()[A][3]._replace(version=4, command_id="x")
    site.log(site.green)
    assert proved(prover(site)).differences == [
        f"{A} has 4 copies, and should have 3: version 4 is there twice"
    ]


def test_a_copy_above_a_hole_is_named_after_some_looks() -> None:
    """A stream that is on its way has no hole; but whoever looks may have seen a stale page."""
    site, pauses = live(), list[int]()
    site.copy()
    changed(site, 3, body_hash="11" * 8)
    site.log(site.green)
    table: Any = site.green.table
    del table._streams[A][2]
    found = proved(replace(prover(site), pause=pauses.append))
    (difference,) = found.differences
    assert difference.endswith(f": it lacks version 2 of {A}, and has a later one")
    assert pauses == [1, 2]


def test_differences_are_counted_and_so_many_of_a_shard_are_listed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("chalicelib.leftfold.generations.proving.LISTED", 1)
    shard = lane_of(A) % SHARDS
    others = (f"k{n}" for n in range(99))
    key = next(k for k in others if lane_of(f"main/account-{k}") % SHARDS == shard)
    site = live()
    site.teller("blue").do(OPENING, key)
    site.copy()
    table: Any = site.green.table
    for stream in (A, f"main/account-{key}"):
        table.everything()[stream][1] = table.everything()[stream][1]._replace(actor="eve")
    site.log(site.green)
    found = proved(prover(site))
    assert (found.differing, len(found.differences)) == (2, 1)


def test_a_stream_on_which_the_transform_fails_is_named_with_the_reason() -> None:
    def fails(event: StoredEvent) -> StoredEvent:
        if event.name == "account-debited":
            raise ValueError("no debits")
        return event

    site = live(in_place("account", fails))
    site.copy()
    site.log(site.green)
    found = proved(prover(site))
    # What the transform says may have personal data in it.
    assert sorted(found.differences) == [
        f"{stream} cannot be transformed: the transform fails on version 3 of {stream}: ValueError"
        for stream in ("main/account-a", "main/account-b", "main/account-c")
    ]
    assert found.differing == 3

"""What the policies of the earlier generation have done already."""

from typing import Any

from chalicelib.leftfold.generations.passing import Passed, passed_of
from chalicelib.leftfold.kernel import Commit
from chalicelib.leftfold.store.memory import MemoryCheckpoints, MemoryParking
from chalicelib.leftfold.store.ports import MAIN, ParkedStream, StreamVersion
from tests.commits import commit

SOURCE = StreamVersion("main/account-a", 1)
OTHER = "main/account-b"


def copy(**details: Any) -> Commit:
    """A copy of what stood at position 5 of the earlier log."""
    whole = commit(OTHER, 1)._replace(root=SOURCE, source=SOURCE, position=5)
    return whole._replace(**details)


def passed(through: int, **parked: ParkedStream) -> Passed:
    checkpoints, parking = MemoryCheckpoints(), MemoryParking()
    assert checkpoints.begin("notify", 0, through)
    for key, what in parked.items():
        assert parking.park("notify", f"main/account-{key}", what)
    return passed_of("notify", {MAIN: checkpoints}, parking)


def test_a_copy_has_been_passed_up_to_the_checkpoint_and_not_beyond() -> None:
    assert [passed(through)(copy()) for through in (4, 5, 6)] == [False, True, True]


def test_what_is_no_copy_or_has_no_known_position_has_not_been_passed() -> None:
    """To take a step that was passed costs reads; to pass one that was not taken loses it."""
    assert not passed(9)(copy(source=None))
    assert not passed(9)(copy(position=None))


def test_what_waits_in_a_parked_stream_has_not_been_passed() -> None:
    def first(position: int) -> ParkedStream:
        return ParkedStream(position, 8, "why")

    assert [passed(9, a=first(at))(copy()) for at in (4, 5, 6)] == [False, False, True]
    assert passed(9, b=first(0))(copy())

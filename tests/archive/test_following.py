"""The feed reads through the archive, and reads each segment once."""

from typing import Any

from chalicelib.leftfold.archive.segments import SegmentedLog
from chalicelib.leftfold.store.following import Follower
from tests.archive.test_pruner import closed


class Counting:
    """An archive that counts its reads."""

    def __init__(self, archive: Any) -> None:
        self._archive = archive
        self.reads: list[str] = []

    def get(self, key: str) -> bytes | None:
        self.reads.append(key)
        found: bytes | None = self._archive.get(key)
        return found


def test_pages_are_the_whole_log_though_most_of_it_is_archived() -> None:
    site = closed()
    expected = [
        (position, commit.line)
        for block in site.whole.blocks(0)
        for position, commit in enumerate(block.commits, block.first_position)
    ]
    assert site.prune() == 5
    counting = Counting(site.archive)
    follower = Follower(SegmentedLog(site.log, counting), lambda: 0, lambda _: None)  # type: ignore[arg-type]
    found: list[tuple[int, str]] = []
    position, at_end = 0, False
    while not at_end:
        page = follower.page(position, 2, lambda _: True)
        found += [(at, commit.line) for at, commit in page.commits]
        position, at_end = page.following, page.at_end
    assert found == expected
    assert len(found) > 10
    assert len(counting.reads) == len(set(counting.reads)) == len(list(site.log.segments()))

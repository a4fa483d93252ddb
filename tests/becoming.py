"""Transforms as sentences: given(commits of the earlier generation).becomes(later streams)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chalicelib.leftfold.kernel import Boundaries, StoredEvent, Transform
from tests.commits import commit

Events = Sequence[StoredEvent]


@dataclass(frozen=True)
class Given:
    """Commits of one stream of the earlier generation, and the transforms."""

    stream: str
    commits: Sequence[Events]
    boundaries: Boundaries

    def becomes(self, expected: Mapping[str, Sequence[Events]]) -> None:
        """Asserts what each later stream gets of each commit, in order; () for a copy without events."""
        found: dict[str, list[Events]] = {}
        state = self.boundaries.initial(self.stream)
        for version, events in enumerate(self.commits, 1):
            made = self.boundaries.made(
                commit(self.stream, version)._replace(events=tuple(events)), state
            )
            state = made.state
            for target, placed in made.events.items():
                found.setdefault(target, []).append(tuple(event for _, event in placed))
        assert found == {target: [tuple(e) for e in each] for target, each in expected.items()}


def given(stream: str, *commits: Events, by: Sequence[Transform]) -> Given:
    """The commits of a stream, each as its events."""
    return Given(stream, commits, Boundaries(by))

"""Plans which commits are logged next: each after its stream's earlier commits and its causes.

Any beginning of a plan can be a block, because no commit needs a later one.
"""

from collections.abc import Callable, Collection, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field

from chalicelib.leftfold.kernel import Commit
from chalicelib.leftfold.store.ports import Block, StreamEntry

# The number of commits that are read from a stream at once, and the number of events after which
# a plan ends: a function's memory is small, and any beginning of a plan can be logged.
PULL = 50
PLAN_EVENTS = 4_000

CommitKey = tuple[str, int]


@dataclass
class Planner:
    """Plans over commits that are *known*, and commits that *pull* reads.

    *registry* has an entry for each stream seen so far, and *lookup* reads missing entries.
    *pull*(aggregate id, first, last) reads commits from the events table. *blocked* collects
    the streams whose next commit waits for a commit that does not exist.
    """

    registry: MutableMapping[str, StreamEntry]
    lookup: Callable[[Collection[str]], Mapping[str, StreamEntry]]
    known: MutableMapping[CommitKey, Commit]
    pull: Callable[[str, int, int], Sequence[Commit]]
    blocked: dict[str, CommitKey] = field(default_factory=dict)

    def plan(self, wanted: Mapping[str, int]) -> list[Commit]:
        """The commits up to the *wanted* versions that can be logged now, in order."""
        self._next: dict[str, int] = {}
        self._events = 0
        planned: list[Commit] = []
        self._enter(wanted)
        for target in wanted.items():
            if self._events >= PLAN_EVENTS:
                break
            self._follow(target, planned)
        return planned

    def has_logged(self, block: Block, entries: Mapping[str, StreamEntry]) -> None:
        """Takes up that *block* is in the log: the next plan goes on after it."""
        self.registry.update(entries)
        for commit in block.commits:
            del self.known[commit.aggregate_id, commit.version]

    def _follow(self, target: CommitKey, planned: list[Commit]) -> None:
        """Plans one stream up to a version. It does not recurse, because causes can be many and deep."""
        path: list[CommitKey] = [target]
        while path and self._events < PLAN_EVENTS:
            aggregate_id, last = path[-1]
            version = self._next[aggregate_id]
            if version > last:
                path.pop()
                continue
            commit = self._commit(aggregate_id, version, last)
            if commit is None:
                later = any(id_ == aggregate_id and v > version for id_, v in self.known)
                # If a later commit exists, this one is lost or unreadable. If none does, the hint was wrong.
                self._mark_blocked(path if later else path[:-1], (aggregate_id, version))
                return
            cause = self._unmet(commit)
            if cause is None:
                planned.append(commit)
                self._events += len(commit.events)
                self._next[aggregate_id] = version + 1
            elif cause in path:
                self._mark_blocked(path, cause)
                return
            else:
                path.append(cause)

    def _commit(self, aggregate_id: str, version: int, last: int) -> Commit | None:
        if (aggregate_id, version) not in self.known:
            until = min(last, version + PULL - 1)
            for commit in self.pull(aggregate_id, version, until):
                self.known[aggregate_id, commit.version] = commit
        return self.known.get((aggregate_id, version))

    def _unmet(self, commit: Commit) -> CommitKey | None:
        self._enter([aggregate_id for aggregate_id, _ in commit.deps])
        for aggregate_id, version in commit.deps:
            if self._next[aggregate_id] <= version:
                return aggregate_id, version
        return None

    def _enter(self, aggregate_ids: Collection[str]) -> None:
        unread = [id_ for id_ in aggregate_ids if id_ not in self.registry]
        if unread:
            found = self.lookup(unread)
            self.registry.update({id_: found.get(id_, StreamEntry()) for id_ in unread})
        for id_ in aggregate_ids:
            self._next.setdefault(id_, self.registry[id_].next)

    def _mark_blocked(self, path: Sequence[CommitKey], missing: CommitKey) -> None:
        """Marks the streams of *path*, which led to the *missing* commit, as waiting for it."""
        for aggregate_id, _ in path:
            self.blocked[aggregate_id] = missing

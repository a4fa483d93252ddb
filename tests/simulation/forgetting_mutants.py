"""Planted faults in forgetting: each leaves a rule out, and some history must show it."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from math import inf
from typing import Any

from chalicelib.leftfold.commands import handler
from chalicelib.leftfold.erasure import erasing
from chalicelib.leftfold.erasure.erasing import Eraser
from chalicelib.leftfold.erasure.rewriting import Rewriting
from chalicelib.leftfold.erasure.streams import streams_of
from chalicelib.leftfold.kernel import Commit, Email, Snapshot
from chalicelib.leftfold.policies import work
from chalicelib.leftfold.policies.work import PolicyWork
from chalicelib.leftfold.projection import fold
from chalicelib.leftfold.projection.fold import PoisonError
from chalicelib.leftfold.store.ports import EffectKey
from chalicelib.leftfold.subjects import vault
from chalicelib.leftfold.subjects.keys import DataKey, Erasure, Part
from chalicelib.leftfold.subjects.memory import MemoryKeys
from chalicelib.leftfold.subjects.vault import Vault


@dataclass(frozen=True)
class Mutant:
    """What is replaced by names in modules, and which law must show it, by the beginning of its
    words. *first* is the seed to look from: one that has shown it.
    """

    breaks: str
    names: tuple[tuple[Any, str, Any], ...]
    first: int = 1

    @contextmanager
    def planted(self) -> Iterator[None]:
        """The names stand."""
        originals = [(where, name, getattr(where, name)) for where, name, _ in self.names]
        for where, name, replacement in self.names:
            setattr(where, name, replacement)
        try:
            yield
        finally:
            for where, name, original in originals:
                setattr(where, name, original)


def gives_a_new_key(self: MemoryKeys, subject: str, wrapped: bytes) -> DataKey:
    """The mark of an erasure is not looked at before a key is made."""
    with self._lock:
        if self._keys.get(subject, DataKey(None)).wrapped is None:
            self._keys[subject] = DataKey(wrapped)
        return self._keys[subject]


def leaves_no_mark(self: MemoryKeys, erasure: Erasure) -> Erasure | None:
    """The key is deleted, and nothing stays in its place."""
    with self._lock:
        if self._keys.pop(erasure.subject, None) is None:
            return self._erasures.get(erasure.subject)
        return self._erasures.setdefault(erasure.subject, erasure)


def rewrites_nothing(
    _self: Rewriting, _stream: str, _commits: Sequence[Commit], _subject: str
) -> int:
    return 0


def in_plain(
    _vault: Vault, _commit: Commit, snapshot: Snapshot, _subjects: Collection[str]
) -> Snapshot:
    return snapshot


def as_it_is(_self: PolicyWork, _cause: Any, _key: EffectKey, email: Email) -> Mapping[str, Any]:
    return work.effect_of(email)


told = fold.poison


def tells_all(aggregate_id: str, position: int, error: Exception, **_: Any) -> PoisonError:
    return told(aggregate_id, position, error)


def keeps_its_part_first(self: Eraser, subject: str) -> None:
    """A stream is noted as done before its rows are folded again."""
    kept = self.keys.parts(subject).get(self.application, Part(None, {}))
    counted = Counter(kept.places)
    for stream in streams_of(self.keys, self.events, subject, kept.through):
        self.keys.keep_part(subject, self.application, Part(stream, counted))
        counted.update(self._stream(stream, subject))
    self.keys.keep_part(subject, self.application, Part(None, counted, "", finished=True))


def notes_no_stream(_self: MemoryKeys, _subject: str, _aggregate_id: str) -> None:
    """Data of a subject in another's stream is not noted."""


def records_nothing(_self: Eraser, _command: Any, _erasure: Erasure) -> None:
    """The audit is left out."""


MUTANTS = {
    "a key cached for ever": Mutant("F1", ((vault, "KEY_AGE", inf),)),
    "rows not folded again": Mutant("F1", ((Rewriting, "run", rewrites_nothing),)),
    "rows folded again at once, and never later": Mutant(
        "F1", ((erasing, "SETTLES", timedelta(0)),), first=38
    ),
    "one application that finishes for all": Mutant(
        "F1", ((MemoryKeys, "applications", lambda _: ()),), first=49
    ),
    "a stream noted as done before it is": Mutant(
        "F1", ((Eraser, "_settle", keeps_its_part_first),), first=49
    ),
    "a stream of another not noted": Mutant("F1", ((MemoryKeys, "add_stream", notes_no_stream),)),
    "a key made without a look at the mark": Mutant(
        "F2", ((MemoryKeys, "add", gives_a_new_key),), first=12
    ),
    "an erasure without a mark": Mutant("F2", ((MemoryKeys, "erase", leaves_no_mark),), first=74),
    "no audit": Mutant("F2", ((Eraser, "_record", records_nothing),)),
    "a snapshot in plain text": Mutant("F1", ((handler, "sealed_snapshot", in_plain),)),
    "an effect in plain text": Mutant("F1", ((PolicyWork, "_kept", as_it_is),), first=3),
    "a reason that tells all": Mutant("F1", ((fold, "poison", tells_all),)),
}

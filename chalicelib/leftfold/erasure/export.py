"""What is held about a subject, across streams, by the declarations of the events."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib.leftfold.erasure.streams import holds, pages_of, streams_of
from chalicelib.leftfold.kernel import Aggregate, AggregateId, Commit
from chalicelib.leftfold.kernel.personal import Subject, values_at
from chalicelib.leftfold.store.ports import EventStore
from chalicelib.leftfold.subjects.keys import DataKeys
from chalicelib.leftfold.subjects.vault import Vault

Json = dict[str, Any]


@dataclass(frozen=True)
class Export:
    """Lists the personal data of subjects, each named with its tenant (`main/account:17`)."""

    keys: DataKeys
    vault: Vault
    events: EventStore
    aggregates: Mapping[str, Aggregate]

    def of(self, subject: str) -> Iterator[Json]:
        """Each event with data of the subject: where and when it was recorded, and its fields.

        A forgotten subject's fields read `erased`. Raises `Unavailable`.
        """
        name = subject.partition("/")[2]
        for stream in streams_of(self.keys, self.events, subject):
            for page in pages_of(self.events, stream):
                concerned = [commit for commit in page if holds(commit, name)]
                opened = self.vault.opened(concerned)
                for sealed, commit in zip(concerned, opened, strict=True):
                    yield from self._events(sealed, commit, name)

    def _events(self, sealed: Commit, opened: Commit, subject: str) -> Iterator[Json]:
        codec = self.aggregates[AggregateId.parse(sealed.aggregate_id).category].codec
        for index, event in enumerate(opened.events):
            if subject not in sealed.events[index].sealed:
                continue
            # The current version declares the fields, so older bodies are read as it.
            for read in map(codec.encode, codec.decode(event)):
                yield {
                    "stream": sealed.aggregate_id,
                    "version": sealed.version,
                    "index": index,
                    "event": read.name,
                    "at": sealed.at,
                    "data": {
                        ".".join(path): owner[path[-1]]
                        for field in codec.personal(read.name)
                        for path, owner in values_at(read.body, field.path)
                        if name_of(field.subject, owner, sealed) == subject
                    },
                }


def name_of(subject: Subject, owner: Json, commit: Commit) -> str:
    """The subject of a field, by the object that has the field and by the commit's stream."""
    key = owner.get(subject.by) if subject.by else AggregateId.parse(commit.aggregate_id).key
    return f"{subject.what}:{key}"

"""The JSON Schema of each version of each stored event, in docs/schemas, and what is released.

A file is made anew while its version is not released. `released.json` has the hash of each
released schema and of its fixture: from then on neither may change (docs/adr/0020).
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from chalicelib.leftfold.kernel import Aggregate, Domain
from tools.bootstrap import ROOT
from tools.event_model_schemas import body, stored

SCHEMAS = Path("docs/schemas")
FIXTURES = Path("tests/events")
RELEASED = SCHEMAS / "released.json"

Json = dict[str, Any]


class SchemaError(Exception):
    """A release that cannot be recorded."""


class EventVersion(NamedTuple):
    """A version of a stored event."""

    category: str
    name: str
    version: int

    def __str__(self) -> str:
        return f"{self.category}/{self.name}/v{self.version}"

    @property
    def file(self) -> Path:
        """The path of its schema below `SCHEMAS`, and of its fixture below `FIXTURES`."""
        return Path(self.category, f"{self.name}.v{self.version}.json")

    @classmethod
    def of(cls, text: str) -> "EventVersion":
        """The inverse of `str`."""
        category, name, version = text.split("/")
        return cls(category, name, int(version.removeprefix("v")))


@dataclass(frozen=True)
class Released:
    """The last release: the hashes of the schema and of the fixture of each event's version, and
    the names under which views and policies are stored.
    """

    release: str
    events: dict[EventVersion, Json]
    readers: tuple[str, ...] = ()

    @classmethod
    def read(cls, root: Path = ROOT) -> "Released":
        path = root / RELEASED
        if not path.exists():
            return cls("none", {})
        found = json.loads(path.read_text())
        events = {EventVersion.of(key): hashes for key, hashes in found["events"].items()}
        return cls(found["release"], events, tuple(found["readers"]))

    def write(self, root: Path = ROOT) -> None:
        events = {str(event): hashes for event, hashes in sorted(self.events.items())}
        made = {"release": self.release, "events": events, "readers": sorted(self.readers)}
        (root / RELEASED).write_text(text_of(made))


def current(domain: Domain) -> dict[EventVersion, Json]:
    """The schema of the current version of each event of *domain*."""
    return {
        EventVersion(aggregate.category, name, version): schema(aggregate, name)
        for aggregate in domain.aggregates.values()
        for name, version in ((n, aggregate.codec.version(n)) for n in aggregate.codec.events)
    }


def schema(aggregate: Aggregate, name: str) -> Json:
    """The schema of the current version of an event, as it is stored.

    It has no description and no name of a class: to word these anew is no change.
    """
    kind, version = aggregate.codec.events[name], aggregate.codec.version(name)
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$id": f"{aggregate.category}/{name}/v{version}",
        "x-carries-forward": issubclass(kind, aggregate.carries),
        **stored(name, version, body(kind)),
    }


def write(domain: Domain, root: Path = ROOT) -> list[Path]:
    """Writes the schemas of versions that are not released; the paths of those that were not so."""
    released = Released.read(root).events
    written = []
    for event, made in current(domain).items():
        path = SCHEMAS / event.file
        text = text_of(made)
        if event in released or ((root / path).exists() and (root / path).read_text() == text):
            continue
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
        written.append(path)
    return written


def release(name: str, domain: Domain, root: Path = ROOT) -> int:
    """Records that the release *name* has every event of *domain*; how many are new in it.

    Raises `SchemaError` if one has no fixture.
    """
    before = Released.read(root)
    new = [event for event in current(domain) if event not in before.events]
    without = [
        str(FIXTURES / event.file) for event in new if not (root / FIXTURES / event.file).exists()
    ]
    if without:
        raise SchemaError(
            f"{len(without)} events have no fixture: write {', '.join(sorted(without)[:5])}"
            f"{', …' if len(without) > 5 else ''}; tests/events/README.md says how"
        )
    write(domain, root)
    hashes = {event: hashes_of(event, root) for event in new}
    Released(name, before.events | hashes, stored_names(domain)).write(root)
    return len(new)


def stored_names(domain: Domain) -> tuple[str, ...]:
    """The names under which the views and policies of *domain* are stored."""
    views, policies = domain.views.values(), domain.policies.values()
    return (*(view.stored_name for view in views), *(policy.stored_name for policy in policies))


def hashes_of(event: EventVersion, root: Path = ROOT) -> Json:
    """The hashes of an event's files; None for one that is missing."""
    return {
        "schema": _hash(root / SCHEMAS / event.file),
        "fixture": _hash(root / FIXTURES / event.file),
    }


def fixtures(root: Path = ROOT) -> Iterator[EventVersion]:
    """The versions that have a fixture."""
    for path in sorted((root / FIXTURES).glob("*/*.json")):
        name, _, version = path.stem.rpartition(".v")
        yield EventVersion(path.parent.name, name, int(version))


def text_of(value: Json) -> str:
    """JSON as it stands in a file."""
    return f"{json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False)}\n"


def _hash(path: Path) -> str | None:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else None

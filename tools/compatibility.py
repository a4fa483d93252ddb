"""The compatibility report: what today's code makes of every event that was ever released.

It compares the domain with docs/schemas/released.json, and reads every fixture: decodes it,
folds it, and projects it into each view that hears it.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from chalicelib.leftfold.kernel import Aggregate, Commit, Domain, StoredEvent
from chalicelib.leftfold.projection.fold import Folding
from tools.bootstrap import ROOT
from tools.schemas import (
    FIXTURES,
    SCHEMAS,
    EventVersion,
    Json,
    Released,
    current,
    fixtures,
    hashes_of,
    schema,
    stored_names,
)

GONE = (
    'a view or policy that only has another name says stored_as="{0}"; if {0} was removed on'
    " purpose, take it out of docs/schemas/released.json"
)
AT = "2026-01-01T00:00:00.000Z"


class Finding(NamedTuple):
    """What has become of a version of an event, of a view or of a policy.

    *breaks* says that a release must not be so.
    """

    subject: str
    kind: str
    detail: str = ""
    breaks: bool = False


def report(domain: Domain, root: Path = ROOT) -> list[Finding]:
    """All findings; a version that is as it was released is none."""
    last = Released.read(root)
    released = last.events
    found = [Finding(str(event), "added") for event in current(domain) if event not in released]
    for event, hashes in sorted(released.items()):
        found += _files(event, hashes, root)
        found += _readable(event, domain, root)
    for event in fixtures(root):
        found += _tried(event, domain, root)
    gone = set(last.readers) - set(stored_names(domain))
    found += [Finding(r, "reader gone", GONE.format(r), breaks=True) for r in sorted(gone)]
    return found


def _files(event: EventVersion, hashes: Json, root: Path) -> Iterator[Finding]:
    now = hashes_of(event, root)
    for folder, part in ((SCHEMAS, "schema"), (FIXTURES, "fixture")):
        if now[part] is None:
            yield Finding(str(event), f"{part} lost", f"restore {folder / event.file}", breaks=True)
        elif now[part] != hashes[part]:
            what = f"{folder / event.file} was edited after its release; restore it"
            yield Finding(str(event), f"{part} edited", what, breaks=True)


def _readable(event: EventVersion, domain: Domain, root: Path) -> Iterator[Finding]:
    aggregate = domain.aggregates.get(event.category)
    if aggregate is None:
        yield Finding(str(event), "category gone", "its streams have no rules", breaks=True)
        return
    codec = aggregate.codec
    newest = codec.versions().get(event.name)
    if (event.name, event.version) in codec.ahead:
        yield Finding(str(event), "read ahead", "as what this code has written before it")
    elif newest is None:
        yield Finding(str(event), "name gone", _cure_of_name(event, aggregate, root), breaks=True)
    elif event.version > newest:
        cure = f"the code reads versions up to {newest}: restore the upcast of version {newest}"
        yield Finding(str(event), "version gone", cure, breaks=True)
    elif event.name not in codec.events:
        yield Finding(str(event), "retired", "read by an upcast")
    elif event.version < newest:
        yield Finding(str(event), "changed", f"read by upcasts up to version {newest}")
    else:
        yield from _changed(event, aggregate, root)


def _changed(event: EventVersion, aggregate: Aggregate, root: Path) -> Iterator[Finding]:
    """The body of a current version against the released one."""
    before, today = _schema(event, root), schema(aggregate, event.name)
    if before is None or before == today:
        return
    told = "; ".join(differences(before["properties"]["body"], today["properties"]["body"]))
    if before["x-carries-forward"] != today["x-carries-forward"]:
        told = "it carries the state forward in one of them only"
    cure = f'add an upcast ("{event.name}", {event.version})'
    yield Finding(str(event), "body changed", f"{told}: {cure}", breaks=True)


def _cure_of_name(event: EventVersion, aggregate: Aggregate, root: Path) -> str:
    before = _schema(event, root)
    released = {(e.category, e.name) for e in Released.read(root).events}
    for name in aggregate.codec.events:
        if (event.category, name) in released:
            continue
        today = schema(aggregate, name)
        if before and before["properties"]["body"] == today["properties"]["body"]:
            return (
                f'if it is called {name!r} now, add an upcast ("{event.name}", {event.version}):'
                f' renamed("{name}")'
            )
    return f'add an upcast ("{event.name}", {event.version}): renamed(…), or dropped'


def _schema(event: EventVersion, root: Path) -> Json | None:
    path = root / SCHEMAS / event.file
    return json.loads(path.read_text()) if path.exists() else None


def differences(before: Json, today: Json, at: str = "") -> Iterator[str]:
    """What is not the same in two schemas of bodies, for people."""
    old, new = before.get("properties"), today.get("properties")
    if old is None or new is None:
        if before != today:
            yield f"{at or 'the body'} is another type or has other values"
        return
    prefix = f"{at}." if at else ""
    yield from (f"{prefix}{name} is gone" for name in old if name not in new)
    yield from (f"{prefix}{name} is new" for name in new if name not in old)
    for name in (name for name in old if name in new):
        if (name in before["required"]) != (name in today["required"]):
            yield f"{prefix}{name} has a default in one of them only"
        yield from differences(old[name], new[name], f"{prefix}{name}")


def _tried(event: EventVersion, domain: Domain, root: Path) -> Iterator[Finding]:
    """The fixture of an event: decoded, folded after what came before it, and projected."""
    aggregate = domain.aggregates.get(event.category)
    if aggregate is None:
        return
    fixture = json.loads((root / FIXTURES / event.file).read_text())
    written = [stored_of(part) for part in (*fixture["earlier"], fixture["event"])]
    if written[-1][:2] != (event.name, event.version):
        yield Finding(str(event), "fixture misnamed", f"it has {written[-1].name}", breaks=True)
        return
    try:
        read = [aggregate.codec.decode(stored) for stored in written]
        for made in (e for events in read for e in events):
            aggregate.codec.encode(made)
    except Exception as error:  # noqa: BLE001 - an upcast may raise anything
        yield Finding(str(event), "does not decode", _said(error), breaks=True)
        return
    was = _schema(event, root)
    if was and was["x-carries-forward"] and not isinstance((*read[-1], None)[0], aggregate.carries):
        what = "a load begins at it: what it is read as first must carry the state forward too"
        yield Finding(str(event), "carries no more", what, breaks=True)
    try:
        aggregate.decider.fold(e for events in read for e in events)
    except Exception as error:  # noqa: BLE001 - so may a fold
        yield Finding(str(event), "does not fold", _said(error), breaks=True)
    commits = list(enumerate(commits_of(aggregate, written)))
    for view in domain.views.values():
        folding = Folding(view, commits)
        folding.onto({})
        for poison in folding.poisons.values():
            yield Finding(
                str(event), "does not project", f"{view.name}: {poison.reason}", breaks=True
            )


def stored_of(part: Json) -> StoredEvent:
    """A stored event of a fixture."""
    return StoredEvent(part["name"], part["version"], part["body"])


def commits_of(aggregate: Aggregate, written: list[StoredEvent]) -> Iterator[Commit]:
    """A stream with a commit for each event."""
    for version, stored in enumerate(written, 1):
        yield Commit(
            aggregate_id=aggregate.stream("1", "main"),
            version=version,
            events=(stored,),
            command_id=str(version),
            body_hash="00" * 8,
            at=AT,
            actor="fixture",
            authority="none",
            correlation_id="fixture",
            traceparent="",
        )


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def breaks(findings: list[Finding]) -> list[Any]:
    """The findings that forbid a release, as lines."""
    return [f"{f.subject}: {f.kind}: {f.detail}" for f in findings if f.breaks]

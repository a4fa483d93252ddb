"""The reference page of stored events: their fields, versions, and who reads them."""

import dataclasses
import inspect
from collections.abc import Iterator
from typing import Any, get_type_hints

from chalicelib.domain import DOMAIN
from chalicelib.leftfold.kernel import Aggregate
from chalicelib.leftfold.kernel.forms import name_of
from tools.event_model import Event, Model

HEAD = """\
# Events

Every stored event by its category, made from the code by `leftfold event-model`; do not edit it by
hand. A body has the fields of the event's class, under these names; a field whose default is None
is left out where it is None. The JSON Schema of each version, also of older ones, is in
[schemas](schemas). [ADR 20](adr/0020-event-versions.md) says how an event changes.
"""


def page(model: Model) -> str:
    """The whole page."""
    parts = [HEAD]
    for aggregate in DOMAIN.aggregates.values():
        parts.append(f"## {aggregate.category}\n")
        events = [event for event in model.events if event.category == aggregate.category]
        parts += [section(event, aggregate, model) for event in events]
        parts += [f"{line}\n" for line in retired(aggregate)]
    return "\n".join(parts)


def section(event: Event, aggregate: Aggregate, model: Model) -> str:
    """An event: its class, what leads to it, who reads it, and its fields."""
    lines = [f"### {event.name}, version {event.version}\n"]
    said = inspect.getdoc(event.kind) or ""
    if said and not said.startswith(f"{event.kind.__name__}("):
        lines.append(f"{' '.join(said.split())}\n")
    facts = [f"Class `{event.kind.__name__}`"]
    facts += named("made by", [c.name for c in model.commands if event in c.leads])
    facts += named("views", [view.name for view in model.views if event in view.hears])
    facts += named("policies", [step.name for step in model.steps if event in step.hears])
    if issubclass(event.kind, aggregate.carries):
        facts.append("carries the state forward")
    lines.append(f"{'; '.join(facts)}.\n")
    lines += table(event.kind)
    return "\n".join(lines)


def named(what: str, names: list[str]) -> list[str]:
    """A fact that lists names, if there are any."""
    return [f"{what} {', '.join(f'`{name}`' for name in names)}"] if names else []


def table(kind: Any) -> Iterator[str]:
    """The fields of a class."""
    members = dataclasses.fields(kind)
    if not members:
        yield "No fields.\n"
        return
    hints = get_type_hints(kind)
    yield "| field | type | default |"
    yield "| --- | --- | --- |"
    for member in members:
        default = "" if member.default is dataclasses.MISSING else f"`{member.default!r}`"
        yield f"| `{member.name}` | `{type_of(hints[member.name])}` | {default} |"
    yield ""


def type_of(hint: Any) -> str:
    """A type for a cell of a table."""
    return name_of(hint).replace("typing.", "").replace("|", "\\|")


def retired(aggregate: Aggregate) -> Iterator[str]:
    """The names that are read and never written again."""
    for name, version in sorted(aggregate.codec.versions().items()):
        if name not in aggregate.codec.events:
            yield f"### {name}, retired\n\nRead up to version {version}, never written again."

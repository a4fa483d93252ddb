"""The event model as a page with Mermaid diagrams: the flow across contexts, then each one."""

from collections.abc import Iterable, Iterator

from tools.event_model import Command, Event, Listener, Model, Step, about

HEAD = """\
# Event model

What leads to what, read from the code by `leftfold event-model`; do not edit it by hand.
Commands are blue, events orange, views green, policies and deadlines lilac. An event is
called by its stored name. An arrow says "may lead to": where `match` and `isinstance` do not
decide, every branch of a rule counts. A policy leads to the commands that it sends; a dotted
line leads to what their answers become. An announcer tells other systems of the events that it
hears. A deadline follows the view whose rows it watches.
The messages and their schemas are in [asyncapi.json](asyncapi.json).
"""
COLOURS = """\
    classDef command fill:#a9d3f5,stroke:#3f8fce,color:#1d2330
    classDef event fill:#fbc98a,stroke:#d98a1f,color:#1d2330
    classDef view fill:#b9e3b4,stroke:#4f9d48,color:#1d2330
    classDef policy fill:#dcc8f0,stroke:#8f63bd,color:#1d2330"""
MAIL, OUTSIDE = "email", "outside"

Part = Command | Event | Listener | Step


def page(model: Model) -> str:
    """The whole page."""
    sections = [
        ("Across contexts", "Where events and deadlines lead to commands.", overview(model))
    ]
    sections += [(c.capitalize(), about(c), diagram(model, c)) for c in model.contexts]
    return "\n".join(
        [HEAD, *(f"## {name}\n\n{said}\n\n{block(lines)}" for name, said, lines in sections)]
    )


def block(lines: Iterable[str]) -> str:
    """A diagram with its colours."""
    return "\n".join(["```mermaid", "flowchart LR", *lines, COLOURS, "```", ""])


def overview(model: Model) -> Iterator[str]:
    """Policies and deadlines, what they hear and send, and what leads to that."""
    heard = {event for step in model.steps for event in step.hears}
    sent = {command for step in model.steps for command in (*step.sends, *step.answers)}
    watched = [v for v in model.views if v.name in {step.watches for step in model.steps}]
    commands = [c for c in model.commands if c in sent or heard & set(c.leads)]
    for context in model.contexts:
        parts: list[Part] = [c for c in commands if c.context == context]
        led = (e for c in commands if c.context == context for e in c.leads if e in heard)
        parts += [*dict.fromkeys(led), *(v for v in watched if v.context == context)]
        parts += [s for s in model.steps if s.context == context]
        if parts:
            yield from group(context, context, parts)
    yield from (
        arrow(command, event) for command in commands for event in command.leads if event in heard
    )
    for step in model.steps:
        yield from flow(step, heard, sent, watched)


def diagram(model: Model, context: str) -> Iterator[str]:
    """A context: its commands, events and views, and the policies about them."""
    commands = model.timeline(context)
    events = tuple(dict.fromkeys(event for command in commands for event in command.leads))
    views, steps = model.views_about(context), model.steps_about(context)
    for command in commands:
        yield f"    {node(command)}"
    for category in dict.fromkeys(event.category for event in events):
        yield from group(category, category, [e for e in events if e.category == category])
    rest: tuple[Part, ...] = (*views, *steps)
    yield from (f"    {node(part)}" for part in rest)
    yield from (arrow(command, event) for command in commands for event in command.leads)
    for view in views:
        yield from heard_by(view, events)
    for step in steps:
        yield from flow(step, set(events), set(commands), views)


def heard_by(view: Listener, events: Iterable[Event]) -> Iterator[str]:
    """Arrows to a view: one for a whole category where it hears all of it."""
    shown: dict[str, list[Event]] = {}
    for event in events:
        shown.setdefault(event.category, []).append(event)
    for category, of_category in shown.items():
        heard = [event for event in of_category if event in view.hears]
        if len(heard) > 1 and heard == of_category:
            yield f"    {category} --> {name_of(view)}"
        else:
            yield from (arrow(event, view) for event in heard)


def flow(
    step: Step, events: set[Event], commands: set[Command], views: Iterable[Listener]
) -> Iterator[str]:
    """Arrows to a policy and from it."""
    yield from (arrow(event, step) for event in step.hears if event in events)
    yield from (arrow(view, step) for view in views if view.name == step.watches)
    yield from (arrow(step, command) for command in step.sends if command in commands)
    yield from (arrow(step, c, "-.->") for c in step.answers if c in commands)
    if step.mails:
        yield f"    {name_of(step)} --> {name_of(step)}_{MAIL}([e-mail])"
    if step.announces:
        yield f"    {name_of(step)} --> {name_of(step)}_{OUTSIDE}([EventBridge])"


def group(name: str, title: str, parts: Iterable[Part]) -> Iterator[str]:
    """Parts in a frame with a title."""
    yield f'    subgraph {name}["{title}"]'
    yield from (f"        {node(part)}" for part in parts)
    yield "    end"


def node(part: Part) -> str:
    """A part with its shape and colour."""
    match part:
        case Command():
            return f'{name_of(part)}["{part.name}"]:::command'
        case Event():
            return f'{name_of(part)}["{part.name}"]:::event'
        case Listener():
            return f'{name_of(part)}[("{part.name}")]:::view'
        case Step():
            said = part.name if part.watches is None else f"{part.name}: deadline"
            return f'{name_of(part)}{{{{"{said}"}}}}:::policy'


def arrow(source: Part, target: Part, kind: str = "-->") -> str:
    """An arrow of a diagram, in one line."""
    return f"    {name_of(source)} {kind} {name_of(target)}"


def name_of(part: Part) -> str:
    """The id of a part within a diagram."""
    match part:
        case Command():
            return f"command_{part.category}_{part.name}"
        case Event():
            return f"event_{part.category}_{part.name.replace('-', '_')}"
        case Listener():
            return f"view_{part.name}"
        case Step():
            return f"policy_{part.name}"

"""The event model as pictures: Mermaid for pages, and a board of sticky notes as SVG."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal, TypeVar

from tools.model import AggregateModel, Model, PolicyModel, ViewModel

Kind = Literal["command", "event", "view", "policy"]

# Fill and border of each kind of note, as Event Modeling has them.
COLOURS: dict[Kind, tuple[str, str]] = {
    "command": ("#cfe2ff", "#3b76c4"),
    "event": ("#ffd9a8", "#d07a12"),
    "view": ("#cdeccd", "#3f8f46"),
    "policy": ("#e3d3f5", "#8255b5"),
}

T = TypeVar("T", AggregateModel, ViewModel, PolicyModel)

INTRODUCTION = """\
Made by `leftfold event-model` from the code: what `decide`, the policies and the views name.
An arrow says "may lead to". Blue: commands. Orange: events. Green: views. Lilac: policies.
The board with everything on it is [event-model.svg](event-model.svg)."""

# --- Mermaid


def mermaid(model: Model) -> str:
    """A page: what flows between the contexts, and then each context by itself."""
    parts = [
        "# Event model",
        INTRODUCTION,
        "## Across contexts",
        fenced(overview(model)),
    ]
    for context in model.contexts:
        parts += [f"## {context.capitalize()}", fenced(context_lines(model, context))]
    return "\n\n".join(parts) + "\n"


def fenced(lines: Iterable[str]) -> str:
    """A Mermaid flow chart in a page."""
    styles = [
        f"classDef {kind} fill:{fill},stroke:{line},color:#222"
        for kind, (fill, line) in COLOURS.items()
    ]
    body = "\n".join(f"    {line}" for line in [*lines, *styles])
    return f"```mermaid\nflowchart LR\n{body}\n```"


def node(kind: Kind, *name: str) -> str:
    """A node whose id is made of its kind and its name."""
    held = "_".join((kind, *name)).replace("-", "_").replace(" ", "_")
    shapes = {
        "command": '["{}"]',
        "event": '("{}")',
        "view": '[("{}")]',
        "policy": '{{{{"{}"}}}}',
    }
    return held + shapes[kind].format(name[-1]) + f":::{kind}"


def overview(model: Model) -> Iterable[str]:
    """Policies with what they react to and what they send, in a box for each context."""
    causes = {event for policy in model.policies for event in policy.hears}
    commands = {command for p in model.policies for command in (*p.sends, *p.answers)}
    for context in model.contexts:
        yield f"subgraph {context}"
        for a in of(model.aggregates, context):
            sent = [c.name for c in a.commands if (a.category, c.name) in commands]
            heard = [event for event in a.events if (a.category, event) in causes]
            yield from (f"    {node('command', a.category, name)}" for name in sent)
            yield from (f"    {node('event', a.category, name)}" for name in heard)
        overdue = [view for view in of(model.views, context) if ("view", view.name) in causes]
        yield from (f"    {node('view', view.name)}" for view in overdue)
        yield from (f"    {node('policy', p.name)}" for p in of(model.policies, context))
        yield "end"
    for a in model.aggregates:
        for command in a.commands:
            for event in command.events:
                if (a.category, command.name) in commands and (a.category, event) in causes:
                    yield arrow(a.category, command.name, event)
    for policy in model.policies:
        yield from policy_lines(policy)


def arrow(category: str, command: str, event: str) -> str:
    """From a command to an event."""
    return f"{node('command', category, command)} --> {node('event', category, event)}"


def context_lines(model: Model, context: str) -> Iterable[str]:
    """The commands, events, views and policies of one context."""
    for aggregate in of(model.aggregates, context):
        for command in aggregate.commands:
            # Also one that is always refused, and leads to nothing.
            yield node("command", aggregate.category, command.name)
            for event in command.events:
                yield arrow(aggregate.category, command.name, event)
    for view in of(model.views, context):
        for category, event in view.hears:
            yield f"{node('event', category, event)} --> {node('view', view.name)}"
    for policy in of(model.policies, context):
        yield from policy_lines(policy)


def policy_lines(policy: PolicyModel) -> Iterable[str]:
    """What leads to a policy and what it leads to; an answer's arrow is dotted."""
    here = node("policy", policy.name)
    for category, name in policy.hears:
        cause = node("view", name) if category == "view" else node("event", category, name)
        yield f"{cause} --> {here}"
    for category, command in policy.sends:
        yield f"{here} --> {node('command', category, command)}"
    for category, command in policy.answers:
        yield f"{here} -. answer .-> {node('command', category, command)}"
    if policy.mails:
        yield f"{here} --> email>e-mail]"


def of(parts: Sequence[T], context: str) -> list[T]:
    """Those of one context."""
    return [part for part in parts if part.context == context]


# --- SVG

WIDTH, MARGIN, GAP = 1500, 24, 14
NOTE_WIDTH, LINE, PADDING = 190, 17, 10
LETTERS = 21  # that fit into a line of a note


@dataclass(frozen=True)
class Note:
    """A sticky note: a title and lines of small text."""

    kind: Kind
    title: str
    lines: tuple[str, ...] = ()

    @property
    def height(self) -> int:
        return 2 * PADDING + LINE * (len(broken(self.title)) + len(self.lines))

    def drawn(self, x: int, y: int) -> str:
        """The note with its upper left corner at a place."""
        fill, line = COLOURS[self.kind]
        shape = (
            f'<rect x="{x}" y="{y}" width="{NOTE_WIDTH}" height="{self.height}" rx="4"'
            f' fill="{fill}" stroke="{line}"/>'
        )
        titles = broken(self.title)
        texts = [("title", text) for text in titles] + [("small", text) for text in self.lines]
        written = [
            text_at(x + PADDING, y + PADDING + LINE * n + 13, text, style)
            for n, (style, text) in enumerate(texts)
        ]
        return "\n".join([shape, *written])


def broken(text: str) -> list[str]:
    """Text in lines that fit into a note, broken at hyphens, underscores and spaces."""
    lines = [""]
    for part in text.replace("-", "-\0").replace("_", "_\0").replace(" ", " \0").split("\0"):
        if lines[-1] and len(lines[-1] + part.rstrip()) > LETTERS:
            lines.append("")
        lines[-1] += part
    return [line.rstrip() for line in lines]


def text_at(x: int, y: int, text: str, style: str) -> str:
    """A line of text that begins at a place."""
    return f'<text x="{x}" y="{y}" class="{style}">{escape(text)}</text>'


Column = tuple[Note, ...]


def svg(model: Model) -> str:
    """The board: a lane for each context, in it its commands with their events, in the
    order in which its rules tell them, then its views and its policies.
    """
    drawn: list[str] = []
    y = MARGIN + 30
    drawn.append(text_at(MARGIN, y, "Event model", "heading"))
    drawn += legend(y)
    y += 26
    for context in model.contexts:
        lane, height = lane_of_context(model, context, y)
        fill = f'<rect x="{MARGIN}" y="{y}" width="{WIDTH - 2 * MARGIN}" height="{height}" rx="8"'
        drawn += [f'{fill} fill="#fafafa" stroke="#ccc"/>', *lane]
        y += height + 20
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" width="{WIDTH}"'
        f' height="{y}" font-family="Helvetica, Arial, sans-serif">'
    )
    style = (
        "<style>text{fill:#222}.title{font-size:13px;font-weight:bold}.small{font-size:12px}"
        ".row{font-size:13px;fill:#666}.lane{font-size:18px;font-weight:bold}"
        ".heading{font-size:24px;font-weight:bold}</style>"
    )
    page = f'<rect width="{WIDTH}" height="{y}" fill="white"/>'
    tip = (
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7"'
        ' markerHeight="7" orient="auto"><path d="M0 0 L8 4 L0 8 z" fill="#777"/></marker></defs>'
    )
    return "\n".join([head, style, tip, page, *drawn, "</svg>"]) + "\n"


def legend(y: int) -> list[str]:
    """What the colours mean."""
    drawn = []
    for n, (kind, (fill, line)) in enumerate(COLOURS.items()):
        x = 230 + 120 * n
        box = f'<rect x="{x}" y="{y - 14}" width="18" height="18" rx="3"'
        drawn += [f'{box} fill="{fill}" stroke="{line}"/>', text_at(x + 26, y, kind, "row")]
    return [
        *drawn,
        text_at(
            730,
            y,
            "a command may lead to the events below it; a policy sends → and is answered ←",
            "row",
        ),
    ]


def lane_of_context(model: Model, context: str, top: int) -> tuple[list[str], int]:
    """The lane of a context and its height."""
    drawn = [text_at(MARGIN + 16, top + 30, context, "lane")]
    y = top + 46
    rows: list[tuple[str, list[Column]]] = [
        (f"{a.category}: commands and events", columns_of(a)) for a in of(model.aggregates, context)
    ]
    rows.append(("views", [(view_note(model, view),) for view in of(model.views, context)]))
    rows.append(("policies", [(policy_note(p),) for p in of(model.policies, context)]))
    for title, columns in rows:
        if columns:
            drawn.append(text_at(MARGIN + 16, y + 14, title, "row"))
            more, y = wrapped(columns, y + 24)
            drawn += more
    return drawn, y - top + 4


def wrapped(columns: Sequence[Column], y: int) -> tuple[list[str], int]:
    """Columns of notes from left to right in as many rows as they need, and where those end."""
    fit = (WIDTH - 2 * MARGIN - 32 + GAP) // (NOTE_WIDTH + GAP)
    drawn = []
    for first in range(0, len(columns), fit):
        bottom = y
        row = columns[first : first + fit]
        # Events begin at one height, under the tallest command.
        lead = max(column[0].height for column in row)
        for n, column in enumerate(row):
            x = MARGIN + 16 + n * (NOTE_WIDTH + GAP)
            drawn.append(column[0].drawn(x, y))
            below = y + lead + 22
            if len(column) > 1:
                middle, start = x + NOTE_WIDTH // 2, y + column[0].height
                drawn.append(
                    f'<path d="M{middle} {start} V{below - 2}" stroke="#777" fill="none"'
                    ' marker-end="url(#tip)"/>'
                )
            for note in column[1:]:
                drawn.append(note.drawn(x, below))
                below += note.height + 6
            bottom = max(bottom, y + column[0].height, below - 6 if len(column) > 1 else y)
        y = bottom + 18
    return drawn, y


def columns_of(aggregate: AggregateModel) -> list[Column]:
    """Each command with its events under it."""
    return [
        (Note("command", command.name), *(Note("event", event) for event in command.events))
        for command in aggregate.commands
    ]


def view_note(model: Model, view: ViewModel) -> Note:
    """A view and the events that it hears; a category whole where it hears all of it."""
    events = {a.category: a.events for a in model.aggregates}
    heard: dict[str, list[str]] = {}
    for category, event in view.hears:
        heard.setdefault(category, []).append(event)
    lines = []
    for category, names in heard.items():
        if len(names) == len(events[category]) and len(names) > 1:
            lines.append(f"all of {category}")
        else:
            lines += names
    return Note("view", view.name, tuple(lines))


def policy_note(policy: PolicyModel) -> Note:
    """A policy: when this happens, that is sent."""
    when = [f"the view {name}" if kind == "view" else name for kind, name in policy.hears]
    sent = [f"{name} ({category})" for category, name in policy.sends]
    lines = [
        *(f"when {name}" for name in when),
        *(f"→ {name}" for name in sent),
        *(["→ e-mail"] if policy.mails else []),
        *(f"← {name}" for _, name in policy.answers),
    ]
    return Note("policy", policy.name, tuple(lines))

"""The event model as a picture: a board for each context, on a timeline from left to right.

A command stands above the events that it may lead to, side by side. Policies are lines above
the commands, views lines below the events; a mark on a line says where it hears or acts, so
nothing crosses. A deadline's line begins with the view that it watches.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import NamedTuple
from xml.sax.saxutils import escape

from tools.event_model import Command, Event, Listener, Model, Step, about

# All in pixels. A slot is the place of one event on the timeline.
MARGIN, GUTTER, SLOT, GAP = 24, 188, 88, 8
COMMAND, EVENT, LINE, TITLE, SPACE = 46, 62, 30, 64, 20
NAMESPACE = "http://www.w3.org/2000/svg"
LETTERS = 10  # that a sticky note takes in one line
LETTER = 7.2  # the usual width of one, rather more than less

STYLE = """
text { font: 12px "DejaVu Sans", Verdana, Helvetica, Arial, sans-serif; fill: #1d2330; }
.paper { fill: #ffffff; } .board { fill: #f6f7f9; stroke: #d5d9e0; }
.lane { fill: #eceff3; } .guide { stroke: #dfe3e9; }
.head { font-size: 19px; font-weight: bold; } .said, .name { fill: #4b5565; }
.command { fill: #a9d3f5; stroke: #3f8fce; } .event { fill: #fbc98a; stroke: #d98a1f; }
.command.other { fill: #d6eafb; } .event.other { fill: #fde5c6; }
.other { stroke-dasharray: 5 3; stroke-width: 1.6; }
.view { fill: #b9e3b4; stroke: #4f9d48; } .policy { fill: #dcc8f0; stroke: #8f63bd; }
.heard-policy { fill: #fbc98a; stroke: #8f63bd; } .heard-view { fill: #4f9d48; }
.sends { fill: #3f8fce; } .answers { fill: #f6f7f9; stroke: #3f8fce; stroke-width: 1.6; }
.mail { fill: #ffffff; stroke: #8f63bd; stroke-width: 1.4; }
.on-policy { stroke: #a682cc; stroke-width: 2; } .on-view { stroke: #7fbf79; stroke-width: 2; }
.join { stroke: #8a94a6; stroke-width: 1.4; }
.note { fill: #1d2330; }
@media (prefers-color-scheme: dark) {
text { fill: #e4e8ef; } .paper { fill: #14181f; } .board { fill: #1c222b; stroke: #39424f; }
.lane { fill: #242b36; } .guide { stroke: #303946; } .said, .name { fill: #aeb8c6; }
.answers { fill: #1c222b; } .note { fill: #1d2330; }
}
""".strip()


@dataclass(frozen=True)
class Slot:
    """A place on the timeline of a board: a command and one event of its, if it has any."""

    x: int
    command: Command
    event: Event | None

    @property
    def middle(self) -> int:
        return self.x + SLOT // 2


@dataclass(frozen=True)
class Board:
    """A context's part of the model, and where everything is."""

    model: Model
    context: str
    top: int = 0

    @cached_property
    def commands(self) -> tuple[Command, ...]:
        return self.model.timeline(self.context)

    @cached_property
    def slots(self) -> tuple[Slot, ...]:
        places = [(c, event) for c in self.commands for event in (c.leads or (None,))]
        return tuple(
            Slot(MARGIN + GUTTER + index * SLOT, command, event)
            for index, (command, event) in enumerate(places)
        )

    @cached_property
    def categories(self) -> tuple[str, ...]:
        """The swimlanes, those of the context itself first."""
        own = [c.category for c in self.commands if c.context == self.context]
        return tuple(dict.fromkeys([*own, *(c.category for c in self.commands)]))

    @cached_property
    def steps(self) -> list[Step]:
        return self.model.steps_about(self.context)

    @cached_property
    def views(self) -> list[Listener]:
        return self.model.views_about(self.context)

    def shown(self, events: Iterable[Event]) -> tuple[Slot, ...]:
        """Where *events* are on the board."""
        heard = set(events)
        return tuple(slot for slot in self.slots if slot.event in heard)

    def named(self, part: Listener | Step) -> str:
        """The name of a view or policy, with its context where it is another's."""
        return part.name if part.context == self.context else f"{part.context} · {part.name}"

    def kind(self, of: str, command: Command) -> str:
        """The style of a note: its colour, and whether it is another context's."""
        return of if command.context == self.context else f"{of} other"

    @property
    def steps_top(self) -> int:
        return self.top + TITLE

    @property
    def commands_top(self) -> int:
        return self.steps_top + LINE * len(self.steps) + SPACE // 2

    @property
    def events_top(self) -> int:
        return self.commands_top + COMMAND + SPACE

    @property
    def views_top(self) -> int:
        return self.events_top + (EVENT + 2 * GAP) * len(self.categories) + SPACE // 2

    @property
    def bottom(self) -> int:
        return self.views_top + LINE * len(self.views) + SPACE // 2

    @property
    def right(self) -> int:
        """The end of the slots; e-mails stand beyond it."""
        return self.slots[-1].x + SLOT


def picture(model: Model) -> str:
    """The whole model as SVG."""
    boards: list[Board] = []
    bottom = MARGIN + TITLE
    for context in model.contexts:
        boards.append(Board(model, context, bottom + SPACE))
        bottom = boards[-1].bottom
    width = max(board.right for board in boards) + SLOT // 2 + MARGIN
    height = bottom + MARGIN
    drawn = [
        f'<svg xmlns="{NAMESPACE}" viewBox="0 0 {width} {height}" width="{width}" height="{height}">',
        "<title>Event model of Leftfold</title>",
        f"<style>{STYLE}</style>",
        f'<rect class="paper" width="{width}" height="{height}" rx="12"/>',
        *legend(),
        *(line for board in boards for line in draw(board, width - 2 * MARGIN + GAP)),
        "</svg>",
    ]
    return "\n".join(drawn) + "\n"


def legend() -> Iterator[str]:
    """What colours and marks mean."""
    yield text(MARGIN + GAP, MARGIN + 14, "Event model", "head")
    y = MARGIN + 44
    x = MARGIN + GAP
    for kind in ("command", "event", "view", "policy"):
        yield box(Frame(x, y - 14, 18, 18), kind)
        yield text(x + 26, y, kind)
        x += 40 + 8 * len(kind) + 12
    marks: tuple[tuple[str, Callable[[int, int], str], int], ...] = (
        ("policy hears", partial(hears, kind="policy"), 120),
        ("view hears", partial(hears, kind="view"), 110),
        ("sends", partial(acts, kind="sends"), 80),
        ("sends as the answer", partial(acts, kind="answers"), 170),
        ("e-mail", mail, 80),
    )
    for said, mark, across in marks:
        yield mark(x + 6, y - 5)
        yield text(x + 20, y, said)
        x += across
    yield box(Frame(x, y - 14, 18, 18), "command other")
    yield text(x + 26, y, "another context's")
    x += 170
    yield box(Frame(x, y - 15, 36, 20), "policy", round_=10)
    yield box(Frame(x + 42, y - 15, 36, 20), "view", round_=10)
    yield text(x + 86, y, "deadline, and the view that it watches")
    yield text(x + 376, y, "time runs to the right →")


def draw(board: Board, width: int) -> Iterator[str]:
    """A board, from its back to its front."""
    left = MARGIN - GAP // 2
    yield box(Frame(left, board.top, width, board.bottom - board.top), "board", round_=10)
    yield text(MARGIN + GAP, board.top + 28, board.context.capitalize(), "head")
    yield text(MARGIN + GAP, board.top + 50, about(board.context), "said")
    for row, category in enumerate(board.categories):
        y = board.events_top + row * (EVENT + 2 * GAP)
        yield box(Frame(left + 1, y, width - 2, EVENT + GAP), "lane", round_=0)
        yield text(MARGIN + GAP, y + (EVENT + GAP) // 2 + 4, category, "name")
    yield text(MARGIN + GAP, board.commands_top + COMMAND // 2 + 4, "commands", "name")
    for slot in board.slots:
        ends = board.views_top + LINE * len(board.views)
        yield line(slot.middle, board.steps_top, slot.middle, ends, "guide")
    for row, step in enumerate(board.steps):
        yield from draw_step(board, step, board.steps_top + row * LINE + LINE // 2)
    for row, view in enumerate(board.views):
        yield from draw_view(board, view, board.views_top + row * LINE + LINE // 2)
    yield from draw_notes(board)


def draw_notes(board: Board) -> Iterator[str]:
    """The commands, and below each its events."""
    for slot in board.slots:
        if slot.event is None:
            continue
        row = board.categories.index(slot.event.category)
        y = board.events_top + row * (EVENT + 2 * GAP) + GAP // 2
        yield line(slot.middle, board.commands_top + COMMAND, slot.middle, y, "join")
        lines = wrapped(slot.event.name.split("-"), "-", LETTERS)
        kind = board.kind("event", slot.command)
        yield from note(Frame(slot.x, y, SLOT, EVENT), kind, lines, slot.event.name)
    for command in board.commands:
        own = [slot for slot in board.slots if slot.command is command]
        frame = Frame(own[0].x, board.commands_top, SLOT * len(own), COMMAND)
        first, *words = re.findall(r"[A-Z][a-z0-9]*", command.name)
        lines = wrapped([first, *map(str.lower, words)], " ", LETTERS * len(own))
        yield from note(frame, board.kind("command", command), lines, command.name)


def draw_step(board: Board, step: Step, y: int) -> Iterator[str]:
    """A policy's line: what it hears, and what it sends."""
    name = board.named(step)
    heard = board.shown(step.hears)
    firsts = {slot.command: slot for slot in reversed(board.slots)}
    sent = [firsts[command] for command in step.sends if command in firsts]
    answered = [firsts[command] for command in step.answers if command in firsts]
    ends = [slot.middle for slot in heard]
    ends += [at(slot) for slot in (*sent, *answered)]
    ends += [board.right + 8] if step.mails else []
    yield line(MARGIN + GUTTER - GAP, y, max(ends, default=MARGIN + GUTTER), y, "on-policy")
    if step.watches is None:
        yield from pill(y, name, "policy")
    else:
        yield from pill(y, name, "policy", of=2)
        yield from pill(y, step.watches, "view", place=1, of=2)
    yield from (hears(slot.middle, y, "policy") for slot in heard)
    yield from (acts(at(slot), y, "answers") for slot in answered if slot not in sent)
    yield from (acts(at(slot), y, "sends") for slot in sent)
    if step.mails:
        yield mail(board.right + 16, y)


def draw_view(board: Board, view: Listener, y: int) -> Iterator[str]:
    """A view's line: what it hears."""
    heard = board.shown(view.hears)
    end = max((slot.middle for slot in heard), default=MARGIN + GUTTER)
    yield line(MARGIN + GUTTER - GAP, y, end, y, "on-view")
    yield from pill(y, board.named(view), "view")
    yield from (hears(slot.middle, y, "view") for slot in heard)


def at(slot: Slot) -> int:
    """Where a line says that a command is sent: beside what is heard of its events."""
    return slot.x + 18


# --- shapes


class Frame(NamedTuple):
    """Where a shape is, and how large."""

    x: int
    y: int
    width: int
    height: int


def box(frame: Frame, kind: str, *, round_: int = 4, title: str = "") -> str:
    """A rectangle with corners of a radius; a pointer on it shows its title."""
    x, y, width, height = frame
    size = f'width="{width}" height="{height}"'
    inner = f"<title>{escape(title)}</title>" if title else ""
    return f'<rect class="{kind}" x="{x}" y="{y}" {size} rx="{round_}">{inner}</rect>'


def line(x1: int, y1: int, x2: int, y2: int, kind: str) -> str:
    """A straight line."""
    return f'<line class="{kind}" x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"/>'


def text(x: int, y: int, said: str, kind: str = "said") -> str:
    """A line of text, from its base line."""
    return f'<text class="{kind}" x="{x}" y="{y}">{escape(said)}</text>'


def centred(x: int, y: int, said: str, width: int) -> str:
    """A line of text about *x*, narrowed where it might be wider than *width*."""
    narrowed = f' textLength="{width}" lengthAdjust="spacingAndGlyphs"'
    fit = narrowed if len(said) * LETTER > width else ""
    return f'<text class="note" x="{x}" y="{y}" text-anchor="middle"{fit}>{escape(said)}</text>'


def note(frame: Frame, kind: str, lines: Sequence[str], title: str) -> Iterator[str]:
    """A sticky note with its lines in the middle."""
    x, y, width, height = frame
    yield box(Frame(x + GAP // 2, y, width - GAP, height), kind, title=title)
    first = y + height // 2 + 4 - 7 * (len(lines) - 1)
    for row, said in enumerate(lines):
        yield centred(x + width // 2, first + 14 * row, said, width - 2 * GAP)


def wrapped(words: Sequence[str], joint: str, most: int) -> list[str]:
    """Words in lines of at most so many letters, if no word is longer."""
    lines = [words[0]]
    for word in words[1:]:
        longer = f"{lines[-1]}{joint}{word}"
        if len(longer) <= most:
            lines[-1] = longer
        else:
            lines[-1] += joint.strip()
            lines.append(word)
    return lines


def pill(y: int, name: str, kind: str, *, place: int = 0, of: int = 1) -> Iterator[str]:
    """The name at the beginning of a line, or one of the names there."""
    width = GUTTER // of
    frame = Frame(MARGIN + GAP // 2 + place * width, y - 11, width - GAP, 22)
    yield box(frame, kind, round_=11, title=name)
    yield centred(frame.x + frame.width // 2, y + 4, name, frame.width - GAP)


def hears(x: int, y: int, kind: str) -> str:
    """The mark of an event that is heard."""
    return f'<circle class="heard-{kind}" cx="{x}" cy="{y}" r="5.5"/>'


def acts(x: int, y: int, kind: str) -> str:
    """The mark of a command that is sent."""
    corners = f"{x - 7},{y - 6} {x + 7},{y - 6} {x},{y + 7}"
    return f'<polygon class="{kind}" points="{corners}"/>'


def mail(x: int, y: int) -> str:
    """The mark of an e-mail."""
    back = f'<rect x="{x - 9}" y="{y - 6}" width="18" height="13"/>'
    flap = f'<path d="M{x - 9},{y - 6} L{x},{y + 1} L{x + 9},{y - 6}" fill="none"/>'
    return f'<g class="mail">{back}{flap}</g>'

"""The event model, read from the code: which command leads to which events, and which views and policies read them.

Nothing of it is written by hand: aggregates, views, policies and deadlines are those of
the registry; what leads to what is read from their rules (event_model_code).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from typing import Any, get_type_hints

from chalicelib.leftfold.kernel import Aggregate, Announcer, Deadline, Email, Policy, View
from tools.domain_index import path_of
from tools.domain_package import domain_package
from tools.event_model_code import first_parameter, flat, reach

CONTEXTS = domain_package()


@dataclass(frozen=True)
class Event:
    """A stored event of the aggregates of *category*."""

    category: str
    name: str
    version: int
    kind: type


@dataclass(frozen=True)
class Command:
    """A command to an aggregate of *category*, and the events that it can lead to."""

    category: str
    context: str
    name: str
    leads: tuple[Event, ...]


@dataclass(frozen=True)
class Listener:
    """A view: rows that the events which it hears change."""

    name: str
    context: str
    hears: tuple[Event, ...]
    about: View


@dataclass(frozen=True)
class Step:
    """A policy, or a deadline, which hears nothing but watches a view.

    *answers* are the commands that the answers to those that it sends become. One that *announces*
    is an announcer.
    """

    name: str
    context: str
    hears: tuple[Event, ...]
    sends: tuple[Command, ...]
    answers: tuple[Command, ...] = ()
    mails: bool = False
    announces: bool = False
    watches: str | None = None


@dataclass(frozen=True)
class Model:
    """Everything, in the order of the domain's contexts and of the code."""

    events: tuple[Event, ...]
    commands: tuple[Command, ...]
    views: tuple[Listener, ...]
    steps: tuple[Step, ...]

    @cached_property
    def contexts(self) -> tuple[str, ...]:
        """Their names; those with aggregates come first."""
        parts: tuple[Command | Listener | Step, ...] = (*self.commands, *self.views, *self.steps)
        return tuple(dict.fromkeys(part.context for part in parts))

    def timeline(self, context: str) -> tuple[Command, ...]:
        """The commands of *context*, and those of others that its policies send, or whose
        events it hears, in an order in which what leads to a command comes before it.
        """
        own = [command for command in self.commands if command.context == context]
        steps = [step for step in self.steps if step.context == context]
        heard = {event for step in steps for event in step.hears}
        if not own:
            heard |= {e for view in self.views if view.context == context for e in view.hears}
        followed = _followed(own, steps)
        missing = heard - {event for command in followed for event in command.leads}
        causes = [command for command in self.commands if missing & set(command.leads)]
        sent = [command for step in steps for command in step.sends]
        return _followed([*followed, *causes, *sent], steps)

    def views_about(self, context: str) -> list[Listener]:
        """The views that read events of *context*, its own views first."""
        events = self._events_of(context)
        there = [v for v in self.views if v.context == context or events & set(v.hears)]
        return sorted(there, key=lambda view: view.context != context)

    def steps_about(self, context: str) -> list[Step]:
        """The steps that read events of *context* or send its commands, its own steps first."""
        events = self._events_of(context)
        there = [
            step
            for step in self.steps
            if context in {step.context, *(c.context for c in (*step.sends, *step.answers))}
            or events & set(step.hears)
        ]
        return sorted(there, key=lambda step: step.context != context)

    def _events_of(self, context: str) -> set[Event]:
        return {e for command in self.commands if command.context == context for e in command.leads}


def _followed(commands: Iterable[Command], steps: Iterable[Step]) -> tuple[Command, ...]:
    """Each of *commands*, and after it what *steps* make of its events."""
    found: dict[Command, None] = {}

    def add(command: Command) -> None:
        if command not in found:
            found[command] = None
            for step in steps:
                if set(step.hears) & set(command.leads):
                    for following in (*step.sends, *step.answers):
                        add(following)

    for command in commands:
        add(command)
    return tuple(found)


def read(
    aggregates: Mapping[str, Aggregate],
    views: Iterable[View],
    policies: Iterable[Policy | Announcer],
    deadlines: Iterable[Deadline],
) -> Model:
    """The model of an application."""
    events = {
        kind: Event(category, name, aggregate.codec.version(name), kind)
        for category, aggregate in aggregates.items()
        for name, kind in aggregate.codec.events.items()
    }
    commands = {
        kind: command_of(kind, aggregate, events)
        for aggregate in aggregates.values()
        for kind in command_kinds(aggregate)
    }
    return Model(
        tuple(events.values()),
        tuple(commands.values()),
        tuple(listener(view, events) for view in views),
        (
            *(
                announcing(policy, events)
                if isinstance(policy, Announcer)
                else step_of(policy, events, commands)
                for policy in policies
            ),
            *(clock(deadline, commands) for deadline in deadlines),
        ),
    )


def registered() -> Model:
    """The model of the application's domain."""
    from chalicelib.domain import DOMAIN

    return read(
        DOMAIN.aggregates,
        DOMAIN.views.values(),
        DOMAIN.policies.values(),
        DOMAIN.deadlines.values(),
    )


def about(context: str) -> str:
    """The docstring of a context."""
    return import_module(f"{CONTEXTS}.{context}").__doc__ or ""


def command_kinds(aggregate: Aggregate) -> tuple[type, ...]:
    """The classes of an aggregate's commands, in the order of their union."""
    decide = aggregate.decider.decide
    return flat(get_type_hints(decide)[first_parameter(decide)])


def command_of(kind: type, aggregate: Aggregate, events: Mapping[type, Event]) -> Command:
    """A command, and what the rules can make of it."""
    decide = aggregate.decider.decide
    named = reach(decide, {first_parameter(decide): kind}).classes
    leads = tuple(events[kind] for kind in aggregate.codec.events.values() if kind in named)
    return Command(aggregate.category, context_of(decide), kind.__name__, leads)


def listener(view: View, events: Mapping[type, Event]) -> Listener:
    """A view, and the events of its categories that change rows."""
    codecs = view.codecs.values()
    parameter = f"{first_parameter(view.keys)}.event"
    hears = tuple(
        events[kind]
        for codec in codecs
        for kind in codec.events.values()
        if reach(view.keys, {parameter: kind}).gives
    )
    return Listener(view.name, context_of(view.keys), hears, view)


def step_of(policy: Policy, events: Mapping[type, Event], commands: Mapping[type, Command]) -> Step:
    """A policy, the events that make it act, and what it then does."""
    parameter = f"{first_parameter(policy.react)}.event"
    hears, named, answers = [], set[type](), set[type]()
    for aggregate in policy.hears:
        for kind in aggregate.codec.events.values():
            reached = reach(policy.react, {parameter: kind})
            if reached.classes & {*commands, Email}:
                hears.append(events[kind])
                named |= reached.classes
                answers |= reached.answers
    return Step(
        policy.name,
        context_of(policy.react),
        tuple(hears),
        tuple(command for kind, command in commands.items() if kind in named),
        tuple(command for kind, command in commands.items() if kind in answers),
        mails=Email in named,
    )


def announcing(announcer: Announcer, events: Mapping[type, Event]) -> Step:
    """An announcer, and the events that it tells others of."""
    kinds = [k for a in announcer.hears for k in a.codec.events.values() if k in announcer.events]
    hears = tuple(events[kind] for kind in kinds)
    module, _, _ = (path_of(announcer, "") or "").partition(":")
    return Step(announcer.name, context_named(module), hears, (), announces=True)


def clock(deadline: Deadline, commands: Mapping[type, Command]) -> Step:
    """A deadline, and the command that it sends to aggregates that have waited for too long."""
    named = reach(deadline.command, {}).classes
    sends = tuple(command for kind, command in commands.items() if kind in named)
    return Step(deadline.name, context_of(deadline.command), (), sends, watches=deadline.view.name)


def context_of(function: Callable[..., Any]) -> str:
    """The context in which a function is defined."""
    return context_named(function.__module__)


def context_named(module: str) -> str:
    """The context that a module is of."""
    return module.removeprefix(f"{CONTEXTS}.").partition(".")[0]

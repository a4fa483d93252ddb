"""The event model as a graph in JSON, which the console draws."""

from typing import Any

from tools.event_model import Event, Model


def graph(model: Model) -> dict[str, Any]:
    """The parts of the model, which name each other."""
    return {
        "contexts": list(model.contexts),
        "commands": [
            {
                "context": command.context,
                "category": command.category,
                "name": command.name,
                "leads": [named(event) for event in command.leads],
            }
            for command in model.commands
        ],
        "views": [
            {
                "context": view.context,
                "name": view.name,
                "hears": [named(event) for event in view.hears],
            }
            for view in model.views
        ],
        "policies": [
            {
                "context": step.context,
                "name": step.name,
                "hears": [named(event) for event in step.hears],
                "sends": [f"{command.category} {command.name}" for command in step.sends],
            }
            for step in model.steps
        ],
    }


def named(event: Event) -> str:
    """The name of an event, which is unique only in its category."""
    return f"{event.category}/{event.name}"

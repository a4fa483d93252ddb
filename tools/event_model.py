"""`leftfold event-model`: the pictures and the AsyncAPI document, made from the code."""

import json
from collections.abc import Mapping
from pathlib import Path

from chalicelib.contexts import registry
from tools.asyncapi import asyncapi
from tools.bootstrap import ROOT
from tools.drawing import mermaid, svg
from tools.model import model_of


def files() -> dict[Path, str]:
    """The text of each file, by its path below the root."""
    views, policies = registry.VIEWS.values(), registry.POLICIES.values()
    deadlines = registry.DEADLINES.values()
    model = model_of(registry.AGGREGATES.values(), views, policies, deadlines)
    document = asyncapi(registry.AGGREGATES, views, policies)
    return {
        Path("docs/event-model.md"): mermaid(model),
        Path("docs/event-model.svg"): svg(model),
        Path("docs/asyncapi.json"): json.dumps(document, indent=2) + "\n",
    }


def write(made: Mapping[Path, str], root: Path = ROOT) -> list[Path]:
    """Writes what is not as it should be, and returns it."""
    stale = [
        path
        for path, text in made.items()
        if not (root / path).exists() or (root / path).read_text() != text
    ]
    for path in stale:
        (root / path).write_text(made[path])
    return stale

"""The files that show the event model, in docs/ and to the console, and whether they are as the code is."""

import json
from collections.abc import Mapping
from pathlib import Path

from tools import event_model_reference
from tools.bootstrap import ROOT
from tools.event_model import Model
from tools.event_model_asyncapi import document
from tools.event_model_graph import graph
from tools.event_model_mermaid import page

DOCS = Path("docs")
CONSOLE = Path("console/src/model.json")


def generated(model: Model) -> dict[Path, str]:
    """The text of each file, by its path below the root."""
    return {
        DOCS / "event-model.md": page(model),
        DOCS / "events.md": event_model_reference.page(model),
        DOCS / "asyncapi.json": f"{json.dumps(document(model), indent=2)}\n",
        CONSOLE: f"{json.dumps(graph(model), indent=1)}\n",
    }


def differing(files: Mapping[Path, str], root: Path = ROOT) -> list[Path]:
    """The files that are missing or differ from *files*."""
    return [
        path
        for path, text in files.items()
        if not (root / path).exists() or (root / path).read_text() != text
    ]


def write(files: Mapping[Path, str], root: Path = ROOT) -> list[Path]:
    """Makes everything as *files* say, and returns what was not."""
    stale = differing(files, root)
    for path in stale:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(files[path])
    return stale

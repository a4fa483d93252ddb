"""Where the leftfold command writes, and how it shows that it is working."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

# The exit code that a shell gives a program which Ctrl-C ended.
INTERRUPTED = 130

# Columns of what goes to a pipe or a file: no name is wrapped there.
WIDE = 10_000


def console_on(stream: TextIO, *, stderr: bool = False) -> Console:
    """A console as wide as its terminal; what is no terminal has no width to keep to."""
    return Console(stderr=stderr, highlight=False, width=None if stream.isatty() else WIDE)


console = console_on(sys.stdout)
errors = console_on(sys.stderr, stderr=True)


class Rate(ProgressColumn):
    """How many a second, over the whole time."""

    def render(self, task: Task) -> Text:
        rate = task.completed / task.elapsed if task.elapsed else 0
        return Text(f"{rate:,.0f}/s", style="progress.data.speed")


@contextmanager
def bar(what: str, total: int) -> Iterator[Progress]:
    """A progress bar with one task; on no terminal, nothing."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        Rate(),
        TimeElapsedColumn(),
    )
    shown = errors.is_terminal
    with Progress(*columns, console=errors, transient=True, disable=not shown) as progress:
        progress.add_task(what, total=total)
        yield progress

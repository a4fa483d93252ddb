"""The consoles of the leftfold command, and its progress bar."""

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
    TimeRemainingColumn,
)
from rich.text import Text

# The exit code that a shell gives a program which Ctrl-C ended.
INTERRUPTED = 130

# Columns of output to a pipe or a file, so wide that no name is wrapped.
WIDE = 10_000


def console_on(stream: TextIO, *, stderr: bool = False) -> Console:
    """A console as wide as its terminal, or unlimited for a pipe or a file."""
    return Console(stderr=stderr, highlight=False, width=None if stream.isatty() else WIDE)


console = console_on(sys.stdout)
errors = console_on(sys.stderr, stderr=True)


class Rate(ProgressColumn):
    """Steps a second, over the whole time."""

    def render(self, task: Task) -> Text:
        rate = task.completed / task.elapsed if task.elapsed else 0
        return Text(f"{rate:,.0f}/s", style="progress.data.speed")


@contextmanager
def bar(what: str, total: int) -> Iterator[Progress]:
    """A progress bar with one task; nothing if stderr is not a terminal."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        Rate(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    shown = errors.is_terminal
    with Progress(*columns, console=errors, transient=True, disable=not shown) as progress:
        progress.add_task(what, total=total)
        yield progress

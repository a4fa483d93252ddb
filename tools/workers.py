"""Processes of this machine that work for this one, and end with it."""

import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from threading import Thread
from typing import Any

# Clients and their connections cannot be shared with a forked process.
CONTEXT = multiprocessing.get_context("spawn")


def processes(
    workers: int, begin: Callable[..., None] | None = None, *told: Any
) -> ProcessPoolExecutor:
    """A pool of so many processes. Each calls *begin* with what it is *told*, a function of a module.

    They end when this process ends, however it does: one that nobody waits for any more would go
    on writing beside the next attempt.
    """
    return ProcessPoolExecutor(workers, CONTEXT, initializer=_begin, initargs=(begin, told))


def _begin(begin: Callable[..., None] | None, told: tuple[Any, ...]) -> None:
    Thread(target=_end_with_parent, daemon=True).start()
    if begin is not None:
        begin(*told)


def _end_with_parent() -> None:
    """Waits for a pipe that the parent holds open, and that closes even if it is killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)

"""Work in processes of their own, which may hang, die, or fill the memory."""

import os
import resource
import selectors
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, NoReturn

# Bytes that a job may take beyond what its parent holds.
MORE_MEMORY = 1_500_000_000
# In a job's process: the pipe to its parent.
PIPES: list[int] = []


class Job(NamedTuple):
    """A task for a process of its own. *work* returns the report, within *seconds*."""

    name: str
    work: Callable[[], str]
    seconds: float


class Done(NamedTuple):
    """The end of a job: its report, or an empty report and the reason."""

    job: Job
    reported: str
    why: str = ""


@dataclass
class Child:
    """A running process, the pipe it reports through, its folder and its end."""

    job: Job
    pid: int
    pipe: int
    folder: Path
    until: float
    said: list[bytes] = field(default_factory=list)


def run(jobs: Iterable[Job], workers: int) -> Iterator[Done]:
    """Runs jobs in forked processes, some at a time; each as soon as it is done."""
    waiting = iter(jobs)
    running: dict[int, Child] = {}
    with selectors.DefaultSelector() as selector:
        while True:
            while len(running) < workers and (job := next(waiting, None)):
                child = _start(job)
                running[child.pipe] = child
                selector.register(child.pipe, selectors.EVENT_READ)
            if not running:
                return
            for key, _ in selector.select(timeout=0.2):
                child = running[key.fd]
                if data := os.read(key.fd, 1 << 16):
                    child.said.append(data)
                else:
                    selector.unregister(key.fd)
                    del running[key.fd]
                    yield _ended(child)
            for child in list(running.values()):
                if time.monotonic() > child.until:
                    _kill(child)


def _start(job: Job) -> Child:
    folder = Path(tempfile.mkdtemp(prefix="mutant-"))
    reading, writing = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        os.close(writing)
        return Child(job, pid, reading, folder, time.monotonic() + job.seconds)
    os.setsid()
    os.close(reading)
    os.environ["PYTEST_DEBUG_TEMPROOT"] = str(folder)
    tempfile.tempdir = str(folder)
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    bound_memory()
    PIPES.append(writing)
    try:
        end(job.work())
    except BaseException:  # noqa: BLE001 - whatever it is, the parent hears of it
        end(f"!{traceback.format_exc()}")


def bound_memory() -> None:
    """Limits this process to little more memory than it has, if the system says how much that is."""
    sizes = Path("/proc/self/statm")
    if sizes.exists():
        stored = int(sizes.read_text().split()[0]) * resource.getpagesize()
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (stored + MORE_MEMORY, hard))


def end(reported: str) -> NoReturn:
    """In a job's process: sends the report to the parent, and ends at once."""
    data = reported.encode()
    try:
        while data:
            data = data[os.write(PIPES[-1], data) :]
    finally:
        os._exit(0)


def _kill(child: Child) -> None:
    child.until = float("inf")
    child.job = child.job._replace(seconds=0)
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        os.kill(child.pid, signal.SIGKILL)


def _ended(child: Child) -> Done:
    os.close(child.pipe)
    _, status = os.waitpid(child.pid, 0)
    shutil.rmtree(child.folder, ignore_errors=True)
    reported = b"".join(child.said).decode()
    if reported.startswith("!"):
        return Done(child.job, "", reported[1:])
    if not reported:
        why = "its time was over" if not child.job.seconds else f"it ended with {status}"
        return Done(child.job, "", why)
    return Done(child.job, reported)

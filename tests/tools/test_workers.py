"""Worker processes end with the process that they work for."""

import subprocess
import sys
from threading import Event

from tools.workers import processes

PARENT = """
from tests.tools.test_workers import works_for_ever
from tools.workers import processes

if __name__ == "__main__":
    with processes(1) as pool:
        pool.submit(works_for_ever).result()
"""
TOLD: list[str] = []


def works_for_ever() -> None:
    sys.stdout.write("at work\n")
    sys.stdout.flush()
    Event().wait()


def is_told(what: str) -> None:
    TOLD.append(what)


def what_is_told() -> list[str]:
    return TOLD


def test_workers_of_a_process_that_is_killed_end_with_it() -> None:
    command = [sys.executable, "-c", PARENT]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "at work\n"
        parent.kill()
        # The worker has the same output, which ends once nobody can write to it any more.
        assert parent.communicate(timeout=300)[0] == ""


def test_workers_begin_with_what_they_are_told() -> None:
    with processes(1, is_told, "what to do") as pool:
        assert pool.submit(what_is_told).result() == ["what to do"]

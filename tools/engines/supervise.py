"""Runs an engine and ends it, with all that it started, when the starter's end of the pipe is closed.

A pipe closes however the starter dies, SIGKILL included, so no engine is ever left behind.
Usage: supervise.py SCRATCH COMMAND...; SCRATCH is removed at the end.
"""

import os
import select
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

GRACE = 5.0
# In the name of a folder that is being removed.
GONE = ".gone-"


def main(scratch: str, command: list[str]) -> int:
    """Run the command in a process group of its own; its exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    engine = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        while engine.poll() is None:
            readable, _, _ = select.select([sys.stdin], [], [], 0.2)
            if readable:
                break
    finally:
        _end(engine)
        _remove(Path(scratch))
    return engine.returncode


def _remove(scratch: Path) -> None:
    """Takes the folder away at once, and removes what was in it meanwhile: MiniStack unpacks the code
    for each process of a function, and nobody is to wait until all of it is gone.
    """
    gone = scratch.with_name(f"{scratch.name}{GONE}{os.getpid()}")
    with suppress(OSError):
        scratch.rename(gone)
    if os.fork() == 0:
        # What an earlier one has left that was killed goes, too.
        for old in scratch.parent.glob(f"*{GONE}*"):
            shutil.rmtree(old, ignore_errors=True)
        os._exit(0)


def _end(engine: "subprocess.Popen[bytes]") -> None:
    for signal_number, patience in ((signal.SIGTERM, GRACE), (signal.SIGKILL, 1.0)):
        deadline = time.monotonic() + patience
        # The group outlives its leader while a child of the engine runs.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(engine.pid, signal_number)
            while time.monotonic() < deadline:
                engine.poll()
                os.killpg(engine.pid, 0)
                time.sleep(0.02)
    engine.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))

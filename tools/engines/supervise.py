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

GRACE = 5.0


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
        shutil.rmtree(scratch, ignore_errors=True)
    return engine.returncode


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

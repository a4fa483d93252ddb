"""Runs examples/follow.py again and again, and kills it each time at a random moment.

    python -m tests.examples.killed URL DATABASE TIMES SECONDS

Each run is a fork of this process, which has imported everything already.
"""

import os
import random
import signal
import sys
import time
from runpy import run_path

from tools.bootstrap import ROOT

FOLLOW = run_path(str(ROOT / "examples" / "follow.py"), run_name="follow")["follow"]


def kill_often(url: str, database: str, times: int, seconds: float) -> None:
    """*times* runs, one after the other, each killed within *seconds*: some before their first
    request, some after a few pages.
    """
    lives = random.Random(times)
    for _ in range(times):
        child = os.fork()
        if child == 0:
            FOLLOW(url, database, limit="7")
            os._exit(1)
        time.sleep(lives.uniform(0, seconds))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


if __name__ == "__main__":
    kill_often(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))

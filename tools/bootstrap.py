"""Installs the developer's tools into .leftfold/venv.

Standard library only, because it runs before anything is installed. Returns at once when the lock is installed already.
"""

from __future__ import annotations

import fcntl
import hashlib
import re
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parents[1]
STATE = ROOT / ".leftfold"
OLDEST_PYTHON = (3, 11)
NO_NETWORK = re.compile(
    r"NewConnectionError|NameResolution|name resolution|ConnectTimeout|ProxyError|timed out|Max retries"
)


class InstallError(Exception):
    """An error in one line: what could not be installed and the cure."""


def main() -> int:
    """Install requirements-dev.txt; the exit code."""
    try:
        check_python()
        with progress() as report:
            install("tools", STATE / "venv", ROOT / "requirements-dev.txt", report, sees=ROOT)
    except InstallError as error:
        print(f"leftfold: {error}", file=sys.stderr)
        return 1
    return 0


def check_python() -> None:
    """Raise InstallError unless this Python can run Leftfold and make virtual environments."""
    if sys.version_info < OLDEST_PYTHON:
        found = ".".join(map(str, sys.version_info[:3]))
        message = f"Python 3.11 or newer is needed, this is {found}; name a newer one, e.g. PYTHON=python3.12 make run"
        raise InstallError(message)
    try:
        import ensurepip  # noqa: F401 - only its presence matters; Debian packs it apart
    except ImportError:
        message = "this Python cannot make virtual environments; install its venv package, e.g. python3-venv"
        raise InstallError(message) from None


def install(
    name: str, venv: Path, lock: Path, report: Callable[[str], None], sees: Path | None = None
) -> None:
    """Make the virtual environment hold exactly what the lock file pins, every hash checked.

    `sees` is a folder whose modules it shall import as well. Raises InstallError.
    """
    stamp = venv / "installed"
    wanted = _fingerprint(venv, lock)
    if _is_stamped(stamp, wanted):
        return
    with _alone(venv):
        if _is_stamped(stamp, wanted):
            return
        report(f"{name}: making a virtual environment")
        shutil.rmtree(venv, ignore_errors=True)
        log = STATE / "log" / f"install-{venv.name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        _run([sys.executable, "-m", "venv", str(venv)], log, lambda _: None)
        _install_packages(name, venv, lock, log, report)
        if sees is not None:
            site_packages = next(venv.glob("lib/python*/site-packages"))
            (site_packages / "leftfold.pth").write_text(f"{sees}\n")
        stamp.write_text(wanted)
    report(f"{name}: installed")


def _install_packages(
    name: str, venv: Path, lock: Path, log: Path, report: Callable[[str], None]
) -> None:
    pins = re.findall(r"^[\w.\[\]-]+==.*", lock.read_text(), re.MULTILINE)
    total = sum("win32" not in pin for pin in pins)
    count = 0

    def on_line(line: str) -> None:
        nonlocal count
        if line.startswith("Collecting "):
            count += 1
            report(
                f"{name}: downloading package {count} of {total}: {line.split()[1].partition('==')[0]}"
            )
        elif line.startswith("Installing collected"):
            report(f"{name}: unpacking {total} packages")

    # --no-deps: the lock is complete. --no-compile: Python compiles what is used, when it is used.
    options = ["--require-hashes", "--no-deps", "--no-compile", "--disable-pip-version-check"]
    options += ["--progress-bar=off", "--retries=2"]
    _run(
        [str(venv / "bin" / "python"), "-m", "pip", "install", *options, "-r", str(lock)],
        log,
        on_line,
    )


def _run(command: list[str], log: Path, on_line: Callable[[str], None]) -> None:
    with log.open("a") as out:
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            output = []
            for line in process.stdout or ():
                out.write(line)
                output.append(line)
                on_line(line)
        if process.returncode == 0:
            return
    if NO_NETWORK.search("".join(output)):
        message = "the package index cannot be reached; the first run needs the network"
    else:
        message = f"the packages could not be installed; {log.relative_to(ROOT)} says why"
    raise InstallError(message)


def _fingerprint(venv: Path, lock: Path) -> str:
    # A virtual environment works for one Python and in one folder only.
    made_for = f"{sys.version_info[:2]} {venv}"
    return hashlib.sha256(lock.read_bytes() + made_for.encode()).hexdigest()


def _is_stamped(stamp: Path, wanted: str) -> bool:
    return stamp.exists() and stamp.read_text() == wanted


@contextmanager
def _alone(venv: Path) -> Iterator[None]:
    """Hold off other processes that would install the same environment."""
    venv.parent.mkdir(parents=True, exist_ok=True)
    with venv.with_suffix(".lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """Give a function that shows one line of progress: rewritten in place on a terminal, else at most every 5 s."""
    terminal = sys.stderr.isatty()
    shown_at = float("-inf")

    def report(text: str) -> None:
        nonlocal shown_at
        if terminal:
            width = shutil.get_terminal_size().columns - 1
            print(f"\r\033[K{text[:width]}", end="", file=sys.stderr, flush=True)
        elif time.monotonic() - shown_at > 5:
            print(text, file=sys.stderr, flush=True)
        else:
            return
        shown_at = time.monotonic()

    try:
        yield report
    finally:
        if terminal and shown_at > 0:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())

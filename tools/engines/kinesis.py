"""kinesis-local: Kinesis with correct resharding."""

from typing import ClassVar

from tools.engines.engine import Engine, Launch, free_port
from tools.engines.npm import NODE, locked

PACKAGE = locked("kinesis-local")


class KinesisLocal(Engine):
    """kinesis-local, in memory. It listens on all interfaces, and has no option for another address."""

    name = "kinesis-local"
    slug = "kinesis-local"
    ready_path: ClassVar[str] = "/healthcheck"

    def install(self) -> None:
        PACKAGE.install(self.progress)

    def launch(self) -> Launch:
        return Launch(
            [str(NODE), "main.js"],
            {
                "KINESIS_MOCK_PLAIN_PORT": str(self.port),
                "KINESIS_MOCK_TLS_PORT": str(free_port(self.ports)),
            },
            # kinesis-local opens server.json in its working directory.
            folder=PACKAGE.installed,
        )

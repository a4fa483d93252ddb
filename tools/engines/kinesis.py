"""kinesis-local: Kinesis with correct resharding."""

from typing import ClassVar

from tools.bootstrap import STATE
from tools.engines.engine import Engine, Launch, free_port
from tools.engines.npm import NODE, NpmPackage

PACKAGE = NpmPackage(
    "kinesis-local@0.6.2",
    "sha512-mFlmksPMQP/A3nT22N2E8WzUbJcbEdxkCnhNCx2lHj20CW4vzuVH8zn5ByRg5LS5es8tvnx2mY1DpbZ5kw9PPQ==",
    STATE / "engines" / "kinesis-local@0.6.2",
)


class KinesisLocal(Engine):
    """kinesis-local 0.6.2, in memory. It listens on all interfaces, and cannot be told otherwise."""

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
            # It opens server.json in its working directory.
            folder=PACKAGE.installed,
        )

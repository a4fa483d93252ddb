"""MiniStack: the AWS services that the packaged app is deployed to on this machine."""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from tools.bootstrap import STATE, InstallError, install
from tools.engines.engine import HOST, Engine, EngineError, Launch, Progress

LOCK = Path(__file__).with_name("ministack.txt")
# Of its own, because MiniStack pins what it needs.
VENV = STATE / "engines" / "ministack"


class MiniStack(Engine):
    """MiniStack 1.5.33. Lambda functions run as its child processes, on its Python."""

    name = "MiniStack"
    slug = "ministack"
    ready_path: ClassVar[str] = "/_ministack/ready"

    def __init__(
        self,
        port: int | None = None,
        *,
        opensearch: str | None = None,
        environment: Mapping[str, str] | None = None,
        progress: Progress = lambda _: None,
        ready_within: float = 180,
    ) -> None:
        """Take the `endpoint` of the OpenSearch that search domains lead to, and further environment variables."""
        super().__init__(port, progress=progress, ready_within=ready_within)
        self.opensearch = opensearch
        self.environment = environment or {}

    def install(self) -> None:
        try:
            install(self.name, VENV, LOCK, self.progress)
        except InstallError as error:
            message = f"{self.name}: {error}"
            raise EngineError(message) from error

    def launch(self) -> Launch:
        search = {"MINISTACK_OPENSEARCH_ENDPOINT": self.opensearch} if self.opensearch else {}
        return Launch(
            [str(VENV / "bin" / "ministack")],
            {
                "BIND_HOST": HOST,
                "GATEWAY_PORT": str(self.port),
                # Port 8883 would be one more to collide on.
                "IOT_MTLS_ENABLED": "0",
                "S3_DATA_DIR": str(self.scratch / "s3"),
                "STATE_DIR": str(self.scratch / "state"),
                **search,
                **self.environment,
            },
        )

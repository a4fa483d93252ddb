"""Install an engine, start it, wait until it is ready, stop it."""

from __future__ import annotations

import http.client
import os
import random
import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

from tools.bootstrap import ROOT, STATE

if TYPE_CHECKING:
    from types import TracebackType

HOST = "127.0.0.1"
LOGS_KEPT = 10
SUPERVISE = Path(__file__).with_name("supervise.py")
# Engines see none of the caller's AWS credentials, and no setting that would change how Java, Node.js or Python runs.
PASSED_ON = ("HOME", "LANG", "LC_ALL", "PATH", "USER")

Progress = Callable[[str], None]


class EngineError(Exception):
    """An error in one line: the engine, what happened and the cure."""


class PortTakenError(EngineError):
    """Another program listens on the port."""

    def __init__(self, name: str, port: int) -> None:
        """Name the engine and the port."""
        super().__init__(
            f"{name}: port {port} is taken; stop the program that listens there or choose another port"
        )
        self.port = port


@dataclass(frozen=True)
class Launch:
    """The command, environment and folder of an engine's process."""

    command: list[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: Path = ROOT


class Engine(ABC):
    """An engine in a process of its own, which ends when this one does, whatever ends it.

    Installs itself on first use; later starts need no network. Data is lost when it stops; the log stays.
    """

    name: ClassVar[str]
    slug: ClassVar[str]
    ports: ClassVar[range] = range(1024, 65536)
    ready_path: ClassVar[str] = "/"
    ready_status: ClassVar[int] = 200

    def __init__(
        self,
        port: int | None = None,
        *,
        progress: Progress = lambda _: None,
        ready_within: float = 180,
    ) -> None:
        """Choose a free port unless one is given. `ready_within` is in seconds."""
        self.port = port or free_port(self.ports)
        self.progress = progress
        self.ready_within = ready_within
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        """Host and port."""
        return f"{HOST}:{self.port}"

    @property
    def url(self) -> str:
        """The base URL, without a slash at its end."""
        return f"http://{self.endpoint}"

    @property
    def log(self) -> Path:
        """The output of the engine since its last start."""
        return STATE / "log" / f"{self.slug}-{self.port}.log"

    @property
    def scratch(self) -> Path:
        """The engine's data and temporary files; removed when it stops."""
        return STATE / "run" / f"{self.slug}-{self.port}"

    @abstractmethod
    def install(self) -> None:
        """Install what is missing. Raises EngineError."""

    @abstractmethod
    def launch(self) -> Launch:
        """Tell how the process is started; `scratch` exists by then."""

    def start(self) -> Self:
        """Install, start and wait until the engine answers. Raises EngineError and leaves nothing running."""
        self.install()
        self.check_port()
        self.progress(f"{self.name}: starting on port {self.port}")
        try:
            self._spawn()
            self._wait()
        except BaseException:
            self.stop()
            raise
        self.progress(f"{self.name}: ready at {self.url}")
        return self

    def stop(self) -> None:
        """End the process and all that it started; does nothing when it has ended."""
        if self._process is not None:
            # The supervisor takes the end of its input for the order to stop.
            self._process.communicate()
            self._process = None

    def is_running(self) -> bool:
        """Tell whether the engine was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def process(self) -> int | None:
        """The id of the process under which the engine runs; None before it starts."""
        return None if self._process is None else self._process.pid

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def check_port(self) -> None:
        """Raise EngineError if the port cannot be used, PortTakenError if another program has it."""
        if self.port not in self.ports:
            message = f"{self.name}: port {self.port} cannot be used; choose one of {self.ports[0]} to {self.ports[-1]}"
            raise EngineError(message)
        if not is_free(self.port):
            raise PortTakenError(self.name, self.port)

    def _spawn(self) -> None:
        self.scratch.mkdir(parents=True, exist_ok=True)
        self._make_room_for_log()
        launch = self.launch()
        inherited = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(SUPERVISE), str(self.scratch), *launch.command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=launch.folder,
                env={**inherited, "TMPDIR": str(self.scratch), **launch.environment},
                start_new_session=True,
            )

    def _make_room_for_log(self) -> None:
        # Free ports differ from start to start, and so do the logs' names.
        self.log.parent.mkdir(parents=True, exist_ok=True)
        logs = sorted(
            self.log.parent.glob(f"{self.slug}-*.log"), key=lambda log: log.stat().st_mtime
        )
        for log in logs[:-LOGS_KEPT]:
            log.unlink(missing_ok=True)

    def _wait(self) -> None:
        deadline = time.monotonic() + self.ready_within
        log = self.log.relative_to(ROOT)
        while not self._answers():
            if not self.is_running():
                message = f"{self.name}: ended while starting; the end of {log} says why"
                raise EngineError(message)
            if time.monotonic() > deadline:
                message = f"{self.name}: not ready after {self.ready_within:g} s; see {log}, or try a less busy machine"
                raise EngineError(message)
            time.sleep(0.05)

    def _answers(self) -> bool:
        # Not urllib: a proxy in the environment must not get in between.
        connection = http.client.HTTPConnection(HOST, self.port, timeout=5)
        try:
            connection.request("GET", self.ready_path)
            return connection.getresponse().status == self.ready_status
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


def is_free(port: int) -> bool:
    """Tell whether nothing listens on the port."""
    with socket.socket() as probe:
        # Without this a port that was closed a moment ago counts as taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def free_port(ports: range) -> int:
    """Choose a free port at random, so that engines started at once seldom choose the same."""
    candidates = random.sample(ports, k=min(len(ports), 200))
    return next((port for port in candidates if is_free(port)), ports[0])

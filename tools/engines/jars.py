"""The Java artifacts that the engines run from: pinned in jars.lock, fetched once, checked at every start."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tools.bootstrap import STATE
from tools.engines.engine import EngineError, Progress

if TYPE_CHECKING:
    from jgo.maven import Artifact, MavenContext

LOCK = Path(__file__).with_name("jars.lock")
STORE = STATE / "engines" / "maven"


@dataclass(frozen=True)
class Jar:
    """One file of a Maven repository, named `group:artifact[:extension[:classifier]]:version`."""

    name: str
    sha256: str

    @property
    def path(self) -> Path:
        """The path of the file in a Maven repository."""
        group, artifact, extension, classifier, version = self.parts
        suffix = f"-{classifier}" if classifier else ""
        return Path(
            *group.split("."), artifact, version, f"{artifact}-{version}{suffix}.{extension}"
        )

    @property
    def parts(self) -> tuple[str, str, str, str, str]:
        """Group, artifact, extension, classifier and version."""
        match self.name.split(":"):
            case [group, artifact, version]:
                return group, artifact, "jar", "", version
            case [group, artifact, extension, version]:
                return group, artifact, extension, "", version
            case [group, artifact, extension, classifier, version]:
                return group, artifact, extension, classifier, version
            case _:
                message = f"{self.name} names no Maven artifact"
                raise ValueError(message)


def read_lock(section: str, lock: Path = LOCK) -> list[Jar]:
    """Read the jars of one section, in class-path order."""
    jars: dict[str, list[Jar]] = {}
    for line in lock.read_text().splitlines():
        if line.startswith("["):
            current = jars.setdefault(line.strip("[]"), [])
        elif line and not line.startswith("#"):
            current.append(Jar(*line.split()))
    return jars[section]


def provide(engine: str, jars: list[Jar], progress: Progress, store: Path = STORE) -> list[Path]:
    """Give the files, fetching what is missing. Raises EngineError when one cannot be had or is not the locked one."""
    missing = [jar for jar in jars if not (store / jar.path).exists()]
    if missing:
        _fetch(engine, missing, progress, store)
    for jar in jars:
        if sha256(store / jar.path) != jar.sha256:
            message = f"{engine}: {jar.name} is not the file that was locked; delete {store / jar.path} and start again"
            raise EngineError(message)
    return [store / jar.path for jar in jars]


def _fetch(engine: str, jars: list[Jar], progress: Progress, store: Path) -> None:
    from jgo.maven import MavenContext

    store.mkdir(parents=True, exist_ok=True)
    # Files are moved in when they are whole, so an interrupted download leaves nothing half done.
    with tempfile.TemporaryDirectory(dir=store.parent) as folder, ThreadPoolExecutor(8) as threads:
        context = MavenContext(repo_cache=Path(folder), timeout=60)
        fetched = {threads.submit(_artifact(context, jar).resolve): jar for jar in jars}
        for count, future in enumerate(as_completed(fetched), 1):
            jar = fetched[future]
            try:
                source = future.result()
            except (OSError, RuntimeError) as error:
                threads.shutdown(cancel_futures=True)
                message = f"{engine}: {jar.name} could not be downloaded; the first start needs the network"
                raise EngineError(message) from error
            target = store / jar.path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(source, target)
            progress(f"{engine}: downloaded {count} of {len(jars)} files")


def _artifact(context: MavenContext, jar: Jar) -> Artifact:
    group, artifact, extension, classifier, version = jar.parts
    return context.project(group, artifact).at_version(version).artifact(classifier, extension)


def sha256(path: Path) -> str:
    """Give the file's SHA-256 as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

"""The deployment package: `chalice package`, with fingerprints, small and fast to load."""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tools import stages, web_console
from tools.bootstrap import ROOT, STATE
from tools.dependencies import FOR_CLIENTS, USUAL, PackagingError, compile_quietly, dependencies
from tools.domain_index import domain_index
from tools.engines import Progress
from tools.fingerprints import fingerprints

MERGED = Path("infra/resources.json")
CODE = (
    Path("app.py"),
    Path("chalicelib"),
    Path(".chalice"),
    Path("requirements.txt"),
    stages.FILE,
)
# Its `main` returns the exit code.
CHALICE = "import sys; from chalice.cli import main; sys.exit(main())"
# Files that Chalice and Python write beside the sources.
LEFTOVERS = ("__pycache__", "deployed", "deployments")


@dataclass(frozen=True)
class Package:
    """A zip file and its CloudFormation template; *fingerprint* stands for all they are made of."""

    folder: Path
    fingerprint: str
    architecture: str
    made_anew: bool = False

    @property
    def zip(self) -> Path:
        return self.folder / "deployment.zip"

    @property
    def template(self) -> Path:
        return self.folder / "sam.json"

    @property
    def folds(self) -> dict[str, str]:
        """The fingerprint of each view's fold."""
        with zipfile.ZipFile(self.zip) as contents:
            made = json.loads(contents.read("chalicelib/fingerprints.json"))
        views: dict[str, str] = made["views"]
        return views

    @property
    def truth_zip(self) -> Path:
        """The code of the truth's functions: the engine, without any domain."""
        return self.folder / "truth.zip"

    @property
    def truth_fingerprint(self) -> str:
        """Stands for all that `truth_zip` is made of."""
        return (self.folder / "truth.stamp").read_text()

    def sizes(self) -> tuple[int, int]:
        """Bytes zipped and unzipped; Lambda takes 250 MB unzipped."""
        return sizes_of(self.zip)


def sizes_of(file: Path) -> tuple[int, int]:
    """Bytes of a zip file, and of what is in it."""
    with zipfile.ZipFile(file) as contents:
        return file.stat().st_size, sum(entry.file_size for entry in contents.infolist())


def package(
    stage: str, report: Progress, root: Path = ROOT, build: Path = STATE / "build"
) -> Package:
    """Packages the application under *root*; at once if nothing changed since the last time.

    Raises PackagingError.
    """
    architecture = stages.stage(stage, root).architecture
    build.mkdir(parents=True, exist_ok=True)
    with (build / "lock").open("w") as lock:
        # Others that package at the same time wait, and then find it done.
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _package(stage, architecture, report, root, build)


def _package(stage: str, architecture: str, report: Progress, root: Path, build: Path) -> Package:
    app, folder = build / "app", build / f"package-{stage}"
    # Named by the processor only where it is not the usual one.
    vendor = build / ("vendor" if architecture == USUAL else f"vendor-{architecture}")
    needed = dependencies(root / "requirements.txt", vendor, report, architecture)
    fingerprint = _fingerprint(root, stage, needed)
    stamp = folder / "stamp"
    if stamp.exists() and stamp.read_text() == fingerprint:
        return Package(folder, fingerprint, architecture)
    report("package: copying the code")
    shutil.rmtree(folder, ignore_errors=True)
    _copy(root, app, vendor)
    if any(web_console.sources(root)):
        shutil.copytree(web_console.build(root, report), app / "chalicelib" / "console")
    for name, made in (("fingerprints", fingerprints(app)), ("domain", domain_index(app))):
        text = json.dumps(made, indent=2, sort_keys=True)
        (app / "chalicelib" / f"{name}.json").write_text(f"{text}\n")
    compile_quietly(app / "chalicelib")
    report("package: chalice package")
    _chalice_package(stage, app, folder, root / MERGED)
    _package_truth(app, vendor, needed, folder)
    stamp.write_text(fingerprint)
    return Package(folder, fingerprint, architecture, made_anew=True)


def _package_truth(app: Path, vendor: Path, needed: str, folder: Path) -> None:
    """The engine with the clients of AWS's services, which are all that a truth's functions import.

    It is the same zip as long as the engine is the same.
    """
    engine = [app / "chalicelib" / "__init__.py", *(app / "chalicelib" / "leftfold").rglob("*.py")]
    digest = hashlib.sha256(needed.encode())
    for file in sorted(engine):
        digest.update(f"\0{file.relative_to(app)}\0".encode() + file.read_bytes())
    compiled = [path for file in engine for path in file.parent.glob(f"__pycache__/{file.stem}.*")]
    with zipfile.ZipFile(folder / "truth.zip", "w", zipfile.ZIP_DEFLATED) as zipped:
        for file in sorted([*engine, *compiled]):
            zipped.write(file, file.relative_to(app))
        for file in sorted(path for path in vendor.rglob("*") if path.is_file()):
            within = file.relative_to(vendor)
            # A module stands at the top, and compiled in __pycache__ there.
            top = within.parts[within.parts[0] == "__pycache__"]
            if top.partition(".")[0] in FOR_CLIENTS:
                zipped.write(file, within)
    (folder / "truth.stamp").write_text(digest.hexdigest())


def _fingerprint(root: Path, stage: str, needed: str) -> str:
    digest = hashlib.sha256(f"{stage} {needed}".encode())
    for file in [Path(__file__), *_inputs(root), *web_console.sources(root)]:
        digest.update(f"\0{file.name}\0".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _inputs(root: Path) -> Iterator[Path]:
    for part in (*CODE, MERGED):
        path = root / part
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        for file in files:
            if file.is_file() and not set(file.relative_to(root).parts) & set(LEFTOVERS):
                yield file


def _copy(root: Path, app: Path, vendor: Path) -> None:
    shutil.rmtree(app, ignore_errors=True)
    app.mkdir()
    for file in _inputs(root):
        if file.name != "requirements.txt":
            copied = app / file.relative_to(root)
            copied.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copied)
    (app / "vendor").symlink_to(vendor)


def _chalice_package(stage: str, app: Path, folder: Path, merged: Path) -> None:
    command = [sys.executable, "-B", "-c", CHALICE, "package"]
    command += ["--stage", stage, "--merge-template", str(merged), str(folder)]
    done = subprocess.run(
        command,
        cwd=app,
        env={"AWS_DEFAULT_REGION": "us-east-1", **os.environ},
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1]
        raise PackagingError(f"package: chalice package failed: {last}")

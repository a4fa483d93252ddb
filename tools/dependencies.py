"""The packages that the functions import: installed apart, made small and fast to load.

Chalice zips a folder named vendor as it is. Kept ready here, it is made again only when
requirements.txt changes, and not at every change of the code.
"""

import compileall
import hashlib
import inspect
import shutil
import subprocess
import sys
from pathlib import Path
from py_compile import PycInvalidationMode

import chalice
import chalice.app

from tools.bootstrap import NO_NETWORK
from tools.engines import Progress

# The AWS services that chalicelib.leftfold.wiring makes clients of; boto3 describes 400 others.
SERVICES = frozenset({"cloudwatch", "dynamodb", "events", "kinesis", "kms", "lambda", "s3", "ses"})
# The platforms of AWS Lambda by its processors, whatever machine makes the package.
PLATFORMS = {"x86_64": "manylinux2014_x86_64", "arm64": "manylinux2014_aarch64"}
USUAL = "x86_64"
# What the requirements bring and nothing imports: of cffi, cryptography uses the compiled backend
# alone; pip's lists of files; time zones, which botocore takes from the system.
UNUSED = (
    *("bin", "cffi", "cffi-*.dist-info", "pycparser", "pycparser-*.dist-info"),
    *("*.dist-info/RECORD", "dateutil/zoneinfo/*.tar.gz"),
)
# What a client of an AWS service needs. The functions of a truth import nothing else.
FOR_CLIENTS = ("boto3", "botocore", "dateutil", "jmespath", "s3transfer", "six", "urllib3")
PYTHON = ".".join(map(str, sys.version_info[:2]))


class PackagingError(Exception):
    """An error in one line: what went wrong and the cure."""


def dependencies(
    requirements: Path, folder: Path, report: Progress, architecture: str = USUAL
) -> str:
    """Makes *folder* hold what *requirements* pins, compiled; returns its fingerprint."""
    made_from = requirements.read_bytes() + Path(__file__).read_bytes()
    made_for = f"{PYTHON} {architecture}".encode()
    fingerprint = hashlib.sha256(made_from + made_for).hexdigest()
    stamp = folder.with_suffix(".stamp")
    if folder.exists() and stamp.exists() and stamp.read_text() == fingerprint:
        return fingerprint
    stamp.unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    report("package: installing what the functions import")
    _install(requirements, folder, PLATFORMS[architecture])
    for unused in [path for pattern in UNUSED for path in folder.glob(pattern)]:
        if unused.is_dir():
            shutil.rmtree(unused)
        else:
            unused.unlink(missing_ok=True)
    for data in ("botocore/data", "boto3/data"):
        _keep_only_used_services(folder / data)
    report("package: compiling what the functions import")
    compile_quietly(folder)
    _compile_chalice(folder)
    stamp.write_text(fingerprint)
    return fingerprint


def compile_quietly(folder: Path) -> None:
    """Puts compiled code beside the sources; Python takes it without looking at them.

    Lambda's disk is read-only: what is not compiled here is compiled at every cold start.
    """
    compileall.compile_dir(
        folder,
        quiet=2,
        force=True,
        stripdir=str(folder),
        invalidation_mode=PycInvalidationMode.UNCHECKED_HASH,
    )


def _install(requirements: Path, folder: Path, platform: str) -> None:
    command = [sys.executable, "-m", "pip", "install", "--target", str(folder)]
    command += ["--require-hashes", "--no-deps", "--no-compile", "--retries=2"]
    command += ["--only-binary=:all:", "--platform", platform, "--python-version", PYTHON]
    command += ["--disable-pip-version-check", "-r", str(requirements)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode == 0:
        return
    if NO_NETWORK.search(done.stdout + done.stderr):
        raise PackagingError(
            "package: the package index cannot be reached; packaging for the first time,"
            " or with changed requirements, needs the network"
        )
    last = (done.stderr.strip() or "pip failed").splitlines()[-1]
    raise PackagingError(f"package: {requirements.name} cannot be installed: {last}")


def _keep_only_used_services(data: Path) -> None:
    for service in data.iterdir():
        if service.is_dir() and service.name not in SERVICES:
            shutil.rmtree(service)


def _compile_chalice(folder: Path) -> None:
    """Compiled code for the two modules of its runtime that Chalice adds by itself."""
    for module in (chalice, chalice.app):
        source = Path(inspect.getfile(module))
        copied = folder / "chalice" / source.name
        copied.parent.mkdir(exist_ok=True)
        shutil.copyfile(source, copied)
    compile_quietly(folder / "chalice")
    for copied in (folder / "chalice").glob("*.py"):
        copied.unlink()

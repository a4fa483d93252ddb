"""Measures how long each function takes to import, from the package alone."""

import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import NamedTuple

from tools.package import Package

TRIES = 5
# -S and -I: nothing but the standard library and the package, as on Lambda.
MEASURE = """
import importlib, sys, time
sys.path.insert(0, sys.argv[1])
before = set(sys.modules)
began = time.perf_counter()
module, _, function = sys.argv[2].rpartition(".")
getattr(importlib.import_module(module), function)
took = time.perf_counter() - began
print(took, len(set(sys.modules) - before))
"""


class Cold(NamedTuple):
    """The best of some imports, in seconds, and how many modules it brought."""

    function: str
    seconds: float
    modules: int


def cold_starts(package: Package) -> list[Cold]:
    """Each function's import time, in interpreters that have imported nothing else."""
    resources = json.loads(package.template.read_text())["Resources"]
    handlers = {
        name: resource["Properties"]["Handler"]
        for name, resource in resources.items()
        if resource["Type"] == "AWS::Serverless::Function"
    }
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(package.zip) as contents:
        contents.extractall(folder)
        return [_cold(name, handler, Path(folder)) for name, handler in sorted(handlers.items())]


def _cold(function: str, handler: str, folder: Path) -> Cold:
    command = [sys.executable, "-I", "-S", "-c", MEASURE, str(folder), handler]
    outputs = [
        subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
        for _ in range(TRIES)
    ]
    seconds, modules = min(outputs, key=lambda output: float(output[0]))
    return Cold(function, float(seconds), int(modules))

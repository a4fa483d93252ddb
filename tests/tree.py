"""A copy of the tree, for tests that change it and run what they have changed."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tools.bootstrap import ROOT, _fingerprint

LEFT_OUT = shutil.ignore_patterns(
    *(".git", ".leftfold", ".hypothesis", ".*_cache"),
    *("deployments", "deployed", "evidence"),
)
SECONDS = 300


@dataclass(frozen=True)
class Tree:
    """The files below *root*, run with the developer's tools that run this test."""

    root: Path

    def run(self, command: str, *, fails: bool = False) -> str:
        """What a shell command writes. It must succeed, or fail if it *fails*."""
        done = subprocess.run(
            ["/bin/sh", "-ec", command],
            cwd=self.root,
            env={
                **os.environ,
                "PYTHON": sys.executable,
                # Before what the tools' site-packages lead to, which is this test's own tree.
                "PYTHONPATH": str(self.root),
                "PYTEST_ADDOPTS": "-p no:cacheprovider",
                "GIT_CONFIG_GLOBAL": os.devnull,
            },
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
        )
        assert (done.returncode != 0) == fails, f"{command}\n{done.stdout}"
        return done.stdout

    def read(self, path: str) -> str:
        return (self.root / path).read_text()

    def write(self, path: str, text: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def replace(self, path: str, old: str, new: str) -> None:
        """Puts *new* in the place of *old*, which must be there once."""
        text = self.read(path)
        assert text.count(old) == 1, f"{path} has {text.count(old)} times:\n{old}"
        self.write(path, text.replace(old, new))


def copied(root: Path) -> Tree:
    """A copy of the whole tree at *root*, which must not be there."""
    shutil.copytree(ROOT, root, ignore=LEFT_OUT, symlinks=True)
    with_tools(root)
    return Tree(root)


def with_tools(root: Path) -> None:
    """Gives the tree at *root* the tools of this process, as if it had installed them."""
    venv = root / ".leftfold" / "venv"
    venv.mkdir(parents=True)
    for part in ("bin", "lib", "pyvenv.cfg"):
        (venv / part).symlink_to(Path(sys.prefix) / part)
    (venv / "installed").write_text(_fingerprint(venv, root / "requirements-dev.txt"))

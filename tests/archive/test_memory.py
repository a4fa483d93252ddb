"""An epoch of any size fits a function's memory."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tools.bootstrap import ROOT

MB = 1024 * 1024


@pytest.mark.slow
def test_an_epoch_of_sixty_thousand_commits_takes_half_of_a_functions_memory(
    tmp_path: Path,
) -> None:
    """A function has 512 MB."""
    run = subprocess.run(
        [sys.executable, "-m", "tests.archive.large", str(tmp_path), "60000"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    reported = json.loads(run.stdout)
    assert reported["size"] > 60_000 * 1_400
    assert reported["objects"] > 10
    assert max(reported["memory"].values()) < 256 * MB, reported

"""An epoch of any size fits a function's memory."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tools.bootstrap import ROOT

MB = 1024 * 1024


@pytest.mark.slow
def test_an_epoch_of_many_commits_takes_a_third_of_a_functions_memory(
    tmp_path: Path, share: float
) -> None:
    """A function has 512 MB. An archiver that kept 15,000 of these commits would take 170 MB."""
    commits = round(60_000 * share)
    run = subprocess.run(
        [sys.executable, "-m", "tests.archive.large", str(tmp_path), str(commits)],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    reported = json.loads(run.stdout)
    assert reported["size"] > commits * 1_400
    assert reported["objects"] > commits / 6_000
    assert max(reported["memory"].values()) < 150 * MB, reported

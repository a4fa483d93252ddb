"""docs/adding-a-context.md does what it says."""

from pathlib import Path

import pytest

from tests.page import follow
from tests.tree import copied
from tools.bootstrap import ROOT


@pytest.mark.slow
def test_the_tutorial_can_be_followed_as_it_is_written(tmp_path: Path) -> None:
    follow(ROOT / "docs" / "adding-a-context.md", copied(tmp_path / "tree"))

"""The project's own files agree with one another."""

import re
import tomllib
from pathlib import Path

import pytest

from tools.bootstrap import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CHANGES = (ROOT / "CHANGELOG.md").read_text()
SECTIONS = ["Upgrading", "Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"]


def test_the_newest_release_in_the_changelog_is_the_projects_version() -> None:
    unreleased, *released = re.findall(r"^## (.+)$", CHANGES, re.MULTILINE)
    assert unreleased == "Unreleased"
    assert released[0].partition(" - ")[0] == PROJECT["version"]
    assert all(re.fullmatch(r"\d+\.\d+\.\d+ - \d{4}-\d\d-\d\d", name) for name in released)


def test_each_version_has_the_known_sections_in_their_order() -> None:
    for version in re.split(r"^## ", CHANGES, flags=re.MULTILINE)[1:]:
        found = re.findall(r"^### (.+)$", version, re.MULTILINE)
        assert found == [name for name in SECTIONS if name in found]


def test_the_licence_is_the_one_that_the_project_names() -> None:
    text = (ROOT / "LICENSE").read_text()
    assert text.startswith(f"{PROJECT['license']} License\n")
    assert "Copyright (c) 2026 the Leftfold authors" in text


@pytest.mark.parametrize(
    "path", ["CONTRIBUTING.md", "SECURITY.md", "README.md", ".ci/run", ".pre-commit-config.yaml"]
)
def test_every_make_target_that_is_named_exists(path: str) -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    named = re.findall(
        r"^(?: +|entry: )?make ([a-z-]+)|`make ([a-z-]+)", (ROOT / path).read_text(), re.MULTILINE
    )
    assert {first or second for first, second in named} <= targets


@pytest.mark.parametrize("path", sorted((ROOT / ".github" / "workflows").glob("*.yml")))
def test_a_workflow_may_read_alone_and_runs_what_a_developer_runs(path: Path) -> None:
    text = path.read_text()
    assert "permissions:\n  contents: read\n" in text
    assert all(re.match(r"make |\.ci/run|\|", run) for run in re.findall(r"run: (.*)", text))

"""The lock files are complete, name no host, and are written by one command."""

import re
import sys
from pathlib import Path

import pytest

from tools import lock
from tools.bootstrap import ROOT
from tools.engines import EngineError, npm

LOCKS = [*lock.PYTHON_LOCKS, "tools/engines/jars.lock", "tools/engines/npm.lock"]


@pytest.mark.parametrize("path", LOCKS)
def test_no_lock_file_names_a_host(path: str) -> None:
    assert "://" not in (ROOT / path).read_text()


@pytest.mark.parametrize("path", lock.PYTHON_LOCKS)
def test_each_python_package_is_pinned_with_a_hash(path: str) -> None:
    entries = re.split(r"\n(?=\S)", (ROOT / path).read_text())
    packages = [entry for entry in entries if not entry.startswith("#")]
    assert packages
    assert all("==" in entry and "--hash=sha256:" in entry for entry in packages)


@pytest.mark.parametrize("path", lock.PYTHON_LOCKS)
def test_a_lock_file_says_how_it_is_written(path: str) -> None:
    assert "#    make lock\n" in (ROOT / path).read_text()


def test_the_tool_that_locks_is_locked_itself() -> None:
    assert re.search(r"^uv==.* \\$", (ROOT / "requirements-dev.txt").read_text(), re.MULTILINE)


def test_a_requirement_that_cannot_be_resolved_changes_no_lock_file(tmp_path: Path) -> None:
    (tmp_path / "requirements.in").write_text("not a requirement\n")
    (tmp_path / "requirements.txt").write_text("as before\n")
    with pytest.raises(lock.LockError, match=r"requirements\.txt cannot be resolved: "):
        lock.lock_python("requirements.txt", upgrade=False, root=tmp_path)
    assert (tmp_path / "requirements.txt").read_text() == "as before\n"


def test_a_requirement_at_an_address_changes_no_lock_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "requirements.txt").write_text("as before\n")
    write = "from pathlib import Path; Path('requirements.txt').write_text('a @ file://b')"
    monkeypatch.setattr(lock, "command", lambda *_, **__: [sys.executable, "-c", write])
    with pytest.raises(lock.LockError, match=r"requirements\.txt:1 names a host"):
        lock.lock_python("requirements.txt", upgrade=False, root=tmp_path)
    assert (tmp_path / "requirements.txt").read_text() == "as before\n"


def test_an_npm_package_has_the_version_and_hash_of_its_lock_file(tmp_path: Path) -> None:
    file = tmp_path / "npm.lock"
    file.write_text("# note\n@a/b@1.2.3 sha512-x\nb@2 sha512-y\n")
    found = npm.locked("@a/b", file)
    assert (found.package, found.integrity, found.installed.name) == (
        "@a/b@1.2.3",
        "sha512-x",
        "a-b@1.2.3",
    )
    with pytest.raises(EngineError, match=r"c is not in npm\.lock; add it there"):
        npm.locked("c", file)


def test_an_npm_lock_file_is_written_with_the_hash_of_what_is_downloaded(tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text('{"name": "thing", "version": "1.0.0"}')
    file = tmp_path / "npm.lock"
    file.write_text(f"# note\n{tmp_path} sha512-old\n")
    npm.write_lock(file)
    note, line = file.read_text().splitlines()
    assert note == "# note"
    assert re.fullmatch(rf"{re.escape(str(tmp_path))} sha512-[\w+/]{{86}}==", line)

"""The docs site has every page, and no page of it leads nowhere."""

from pathlib import Path

import pytest

from tools import site
from tools.bootstrap import ROOT


@pytest.fixture
def staged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(site, "PAGES", tmp_path)
    return tmp_path


@pytest.mark.slow
def test_every_link_of_every_page_leads_to_a_file(staged: Path) -> None:
    for page in site.pages():
        site.copy(page)
    assert (staged / "README.md").exists()
    assert (staged / "docs" / "images" / "stream.png").exists()


def test_a_link_that_leads_nowhere_is_named(staged: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site, "ROOT", staged)
    page = staged / "page.md"
    page.write_text("See [this](that.md).")
    with pytest.raises(site.SiteError, match=r"page\.md leads to that\.md, which is not there"):
        site.copy(page)


def test_every_page_of_the_menu_is_there_or_made() -> None:
    menu = (ROOT / "docs" / "mkdocs.yml").read_text().partition("\nnav:\n")[2]
    named = [line.rpartition(": ")[2] for line in menu.splitlines() if line.endswith(".md")]
    made = site.made()
    assert "docs/first-hour.md" in named
    assert [path for path in named if path not in made and not (ROOT / path).exists()] == []


def test_the_references_have_each_route_and_each_port() -> None:
    made = site.made()
    assert "## GET /log" in made["docs/api.md"]
    assert "### `class EventStore`" in made["docs/reference/store.md"]
    assert "0031-long-polls" in made["docs/adr/README.md"]

"""The console's files: served under their names alone, and with a policy that lets nothing else in."""

from pathlib import Path

import pytest

from chalicelib.leftfold.http import console
from chalicelib.leftfold.wiring import process
from chalicelib.leftfold.wiring.settings import Settings
from tests.http.conftest import Bank
from tests.issuer import SETTINGS


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "console"
    folder.mkdir()
    (folder / "index.html").write_text("<p>Grüß Gott")
    (folder / "index-a1.js").write_text("1")
    (folder / "index-a1.css").write_text("p {}")
    (folder / "notes.txt").write_text("3")
    (tmp_path / "secret.js").write_text("2")
    monkeypatch.setattr(console, "FILES", folder)
    return folder


@pytest.mark.usefixtures("files")
def test_the_console_leads_to_its_page(bank: Bank) -> None:
    answer = bank.get("/console")
    assert (answer.status, answer.headers["Location"]) == (302, "console/index.html")


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(
    ("name", "media", "cached"),
    [
        ("index.html", "text/html; charset=utf-8", "no-cache"),
        ("index-a1.js", "text/javascript; charset=utf-8", console.FOR_EVER),
        ("index-a1.css", "text/css; charset=utf-8", console.FOR_EVER),
    ],
)
def test_a_file_comes_with_its_type_and_is_kept_if_its_name_has_its_hash(
    bank: Bank, files: Path, name: str, media: str, cached: str
) -> None:
    answer = bank.get(f"/console/{name}")
    assert (answer.status, answer.text) == (200, (files / name).read_text())
    assert (answer.headers["Content-Type"], answer.headers["Cache-Control"]) == (media, cached)
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    head = bank.send("HEAD", f"/console/{name}")
    assert (head.status, head.text, head.headers["Content-Type"]) == (200, "", media)


SIGN_IN = {
    "LEFTFOLD_SIGN_IN": "https://issuer.test/oauth2/authorize",
    "LEFTFOLD_SIGN_IN_TOKEN": "https://tokens.issuer.test:8443/oauth2/token",
    "LEFTFOLD_CONSOLE": "client-1",
}


@pytest.mark.usefixtures("files")
def test_the_page_is_told_where_people_sign_in(bank: Bank) -> None:
    assert bank.get("/console/settings.json").json == {"signIn": None}
    process.services().settings = Settings({"LEFTFOLD_STACK": "test", **SETTINGS, **SIGN_IN})
    answer = bank.get("/console/settings.json")
    assert answer.json == {
        "signIn": {
            "authorize": "https://issuer.test/oauth2/authorize",
            "token": "https://tokens.issuer.test:8443/oauth2/token",
            "client": "client-1",
            "scope": "openid",
        }
    }
    assert answer.headers["Cache-Control"] == "no-store"
    assert bank.send("HEAD", "/console/settings.json").text == ""


@pytest.mark.usefixtures("files")
def test_the_page_may_ask_the_issuer_for_tokens_and_nobody_else(bank: Bank) -> None:
    own = bank.get("/console/index.html").headers["Content-Security-Policy"]
    process.services().settings = Settings({"LEFTFOLD_STACK": "test", **SETTINGS, **SIGN_IN})
    with_issuer = bank.get("/console/index.html").headers["Content-Security-Policy"]
    assert "connect-src 'self'; " in own
    assert with_issuer == own.replace(
        "connect-src 'self'", "connect-src 'self' https://tokens.issuer.test:8443"
    )


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("missing", SIGN_IN)
def test_an_issuer_that_is_named_in_part_is_none(bank: Bank, missing: str) -> None:
    given = {"LEFTFOLD_STACK": "test", **SETTINGS, **SIGN_IN, missing: ""}
    process.services().settings = Settings(given)
    assert bank.get("/console/settings.json").json == {"signIn": None}


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(
    "name", ["notes.txt", "..%2Fsecret.js", "secret.js", "index", "%2Fetc%2Fpasswd"]
)
def test_nothing_else_is_served(bank: Bank, name: str) -> None:
    answer = bank.get(f"/console/{name}")
    assert (answer.status, answer.code) == (404, "no-such-route")


def test_an_application_without_the_console_has_no_such_page(
    bank: Bank, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "FILES", tmp_path / "none")
    for name in ("index.html", "settings.json"):
        assert bank.get(f"/console/{name}").code == "no-such-route"

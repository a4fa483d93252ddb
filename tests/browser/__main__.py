"""Every page in every shape, light and dark: python -m tests.browser. Screenshots stay
in .leftfold/screenshots, and those of docs/first-hour.md are made anew."""

import json
import shutil
import sys

import click

from tests.browser.issuer import SigningIn, listening, settings_at
from tests.browser.shown import Shown, served
from tests.browser.test_console import SCREENSHOTS, quiet
from tests.issuer import house_token
from tools.bootstrap import ROOT, STATE
from tools.web_console import build, installed, node

IMAGES = ROOT / "docs" / "images"
# Those of docs/first-hour.md.
SHOWN_IN_DOCS = ("stream", "rows", "log", "transfer", "readers")

if __name__ == "__main__":
    bank = Shown()
    bank.fill()
    bank.spoil()
    bank.park("1038")
    token = house_token()
    with (
        listening(SigningIn()) as issuer,
        served(bank, build(ROOT, print), settings_at(issuer)) as url,
        installed(ROOT / "tests" / "browser", STATE / "browser", quiet) as work,
    ):
        seen = json.loads(node(work, "journey.js", url, str(SCREENSHOTS), "all", token, issuer))
    for name in SHOWN_IN_DOCS:
        shutil.copyfile(SCREENSHOTS / f"{name}-desktop-light.png", IMAGES / f"{name}.png")
    for said in (*seen["violations"], *seen["complaints"]):
        click.echo(said)
    click.echo(f"{len(seen['pages'])} looks in {SCREENSHOTS.relative_to(ROOT)}")
    sys.exit(1 if seen["violations"] or seen["complaints"] else 0)

"""Every page in every shape, light and dark: python -m tests.browser. Screenshots stay in .leftfold/screenshots."""

import json
import sys

import click

from tests.browser.shown import Shown, served
from tests.browser.test_console import SCREENSHOTS, quiet
from tools.bootstrap import ROOT, STATE
from tools.web_console import build, installed, node

if __name__ == "__main__":
    bank = Shown()
    bank.fill()
    bank.park("1038")
    with (
        served(bank, build(ROOT, print)) as url,
        installed(ROOT / "tests" / "browser", STATE / "browser", quiet) as work,
    ):
        seen = json.loads(node(work, "journey.js", url, str(SCREENSHOTS), "all"))
    for said in (*seen["violations"], *seen["complaints"]):
        click.echo(said)
    click.echo(f"{len(seen['pages'])} looks in {SCREENSHOTS.relative_to(ROOT)}")
    sys.exit(1 if seen["violations"] or seen["complaints"] else 0)

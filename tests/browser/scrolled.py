"""A stream of ten thousand commits, scrolled in Chromium: python -m tests.browser.scrolled [COMMITS].

Shows how many rows there were, how many of them were in the page at a time, and how long the
page's frames took.
"""

import json
import sys

import click

from tests.browser.shown import Shown, served
from tests.browser.test_console import quiet
from tests.commits import commit
from tests.issuer import house_token
from tools.bootstrap import ROOT, STATE
from tools.web_console import build, installed, node

STREAM = "main/account-long"


def long(commits: int) -> Shown:
    """A bank with one account of so many commits, which are in no view."""
    bank = Shown()
    for version in range(1, commits + 1):
        assert bank.events.append(commit(STREAM, version)) is None
    bank.sequence()
    return bank


def main(commits: int) -> None:
    bank, token = long(commits), house_token()
    with (
        served(bank, build(ROOT, print)) as url,
        installed(ROOT / "tests" / "browser", STATE / "browser", quiet) as work,
    ):
        seen = json.loads(node(work, "scrolled.js", url, token, str(commits)))
    for place, found in seen.items():
        click.echo(f"{place}: {json.dumps(found)}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 10_000)

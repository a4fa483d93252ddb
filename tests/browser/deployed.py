"""The console of the deployed package, in Chromium: python -m tests.browser.deployed.

Deploys to MiniStack, imports a few accounts with statements, and makes a transfer and a ledger over
HTTP. A stream is parked by hand, as if its view had failed. Then it goes through each page, light on a
desktop and dark on a phone, with axe, and does what people do. Screenshots stay in .leftfold/deployed.
"""

import json
import os
import sys
import time

import click
from rich.console import Console

from chalicelib.leftfold.store.ports import ParkedStream
from chalicelib.leftfold.wiring.services import Services
from tests.browser.test_console import quiet
from tests.http.test_ledgers import CHART, meal, posting
from tests.issuer import ISSUER
from tools.api import Api
from tools.bank.import_file import Selection, import_file
from tools.bank.run import BANK_FILE, CURRENCY, Local, local
from tools.bootstrap import ROOT, STATE
from tools.deployment_services import reach
from tools.last_deployment import Current, forget, remember
from tools.signing_in import OPERATOR, of_deployment, token
from tools.web_console import installed, node

STACK = "leftfold-console"
SCREENSHOTS = STATE / "deployed"
ACCOUNTS, STATEMENTS = 4, 2
LEDGER = {"name": "Household", "firstYear": 2020, "retainedEarnings": "Equity:R", "journals": 2}
PAY = {
    "date": "2020-01-05",
    "narration": "pay",
    "postings": [posting("Assets:Cash", "3100.00"), posting("Income:Pay", "-3100.00")],
}


def fill(running: Local, services: Services) -> tuple[str, str]:
    """Makes something to see on every page; an account, and one whose stream is parked."""
    api_url = running.deployed.url
    assert import_file(api_url, BANK_FILE, Selection(CURRENCY, ACCOUNTS, STATEMENTS))
    with Api(api_url, auth=of_deployment(running.deployed, running.cloud.endpoint_url)) as api:
        listed = api.query("/accounts", sort="-balance", limit=ACCOUNTS).body["items"]
        account = max(listed, key=lambda one: int(one["statements"]))["accountId"]
        parked = min(listed, key=lambda one: int(one["statements"]))["accountId"]
        amount = {"amount": "10.00", "currency": CURRENCY}
        order = {"source": account, "target": parked, "amount": amount, "valueDate": "2026-01-01"}
        for path, body in (
            ("/transfers", {"transferId": "rent-1", **order}),
            ("/ledgers", {"ledgerId": "household", **LEDGER}),
            ("/ledgers/household/accounts", CHART),
            ("/ledgers/household/entries", PAY),
            ("/ledgers/household/entries", meal("2020-02-03", "18.20")),
        ):
            assert api.command(path, body, f"{path}:{body.get('narration')}").ok
        while api.query("/transfers/rent-1").body.get("state") != "completed":
            time.sleep(1)
        version = api.query(f"/accounts/{parked}").body["version"]
        api.query("/bookings", account=parked, minVersion=version, limit=1)
    stream = f"main/account-{parked}"
    position = services.log.streams([stream])[stream].position
    services.parking.park("balances", stream, ParkedStream(position, position, "planted by a test"))
    return account, parked


@click.command()
def main() -> None:
    """Go through every page; exit 1 if a rule of axe is broken or the browser complains."""
    console = Console()
    with local(console.print, stack=STACK) as running:
        engine = str(running.cloud.endpoint_url)
        current = Current(STACK, running.deployed.url, engine)
        remember(current)
        try:
            services = reach(current)
            account, parked = fill(running, services)
        finally:
            forget()
        facts = {
            "account": account,
            "parked": parked,
            "expired": ISSUER.token(exp=1),
            "writer": token(running.deployed, engine),
            "engine": engine,
            "balances": services.settings.function("balances"),
        }
        signed_in = token(running.deployed, engine, OPERATOR)
        url, folder = running.deployed.url.rstrip("/"), str(SCREENSHOTS)
        console.print(f"looking at {url}/console, load {os.getloadavg()[0]:.1f}")
        with installed(ROOT / "tests" / "browser", STATE / "browser", quiet) as work:
            said = node(work, "deployed.js", url, folder, signed_in, json.dumps(facts))
        seen = json.loads(said)
        for wrong in (*seen["violations"], *seen["complaints"]):
            console.print(wrong, markup=False)
        for page in seen["pages"]:
            console.print(page)
    sys.exit(1 if seen["violations"] or seen["complaints"] else 0)


if __name__ == "__main__":
    main()

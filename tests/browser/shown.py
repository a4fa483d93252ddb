"""A bank with something to see on every page of the console, served with the console's files."""

import json
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from random import Random
from threading import Lock

from chalicelib.bank.account.views import balances
from chalicelib.leftfold.functions.readers import redrive
from chalicelib.leftfold.http import console
from chalicelib.leftfold.kernel import StoredEvent, View
from chalicelib.leftfold.relay.publisher import MARK
from chalicelib.leftfold.store.alarms import Alarm
from chalicelib.leftfold.wiring import process
from chalicelib.leftfold.wiring.settings import Settings
from tests.commits import commit
from tests.http.answering import Answering, at_a_port
from tests.http.gateway import Answer
from tests.http.samples import czk, opening
from tests.http.test_ledgers import CHART, meal, posting
from tests.issuer import SETTINGS, house_token
from tests.ledgers import Books

OWNERS = ("Ada Novak", "Bo Svoboda", "Cyril Dvorak", "Dana Cerna", "Emil Prochazka", "Fiona Kucera")
WORDS = (
    ("cash-deposit", "", 2400, "credit"),
    ("collection", "pension", 5800, "credit"),
    ("cash-withdrawal", "", 900, "debit"),
    ("remittance", "household", 1750, "debit"),
    ("card-withdrawal", "", 420, "debit"),
    ("", "interest credited", 12, "credit"),
)
MONTHS = 12


class Woken:
    """A waker that does at once what a reader's function does."""

    def wake(self, function: str, wanted: Mapping[str, int] = {}, /) -> None:
        if wanted and function != "relay":
            redrive(function, wanted, self)

    def get_remaining_time_in_millis(self) -> int:
        return 60_000


class Shown(Books):
    """The bank, whose clock is that of the machine when it is served."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.token = house_token()
        self.held = False
        late = Alarm("BalancesLagAlarm", "alarm", "The view balances stays behind.", self.clock())
        self.alarm_states.stored += [
            late,
            late._replace(name="RelayErrorAlarm", state="ok", says="The relay fails."),
        ]
        self.checkpoints.write_note("archiver", "")

    def fill(self) -> None:
        """A year of accounts with statements, transfers, a ledger of two years, a parked stream."""
        chance = Random(7)
        self.clock.now = datetime.now(UTC) - timedelta(days=30)
        for number, owner in enumerate(OWNERS):
            self._account(str(1001 + 37 * number), owner, chance)
        self._transfers()
        self._ledger()
        self.act()

    def _account(self, key: str, owner: str, chance: Random) -> None:
        limit = czk("20000.00")
        self._post("/accounts", opening(accountId=key, owner=owner, creditLimit=limit))
        for month in range(1, MONTHS + 1):
            for _ in range(5):
                operation, purpose, amount, direction = chance.choice(WORDS)
                self._tick(chance)
                self._post(
                    f"/accounts/{key}/{direction}s",
                    {
                        "amount": czk(f"{amount * chance.uniform(0.6, 1.4):.2f}"),
                        "valueDate": date(2025, month, chance.randint(1, 27)).isoformat(),
                        **({"operation": operation} if operation else {}),
                        **({"purpose": purpose} if purpose else {}),
                    },
                )
            if month < MONTHS:
                self._post(f"/accounts/{key}/statements", {"through": f"2025-{month:02}-28"})
        self.settle()

    def _transfers(self) -> None:
        for number, (source, target, amount) in enumerate(
            [("1001", "1038", "350.00"), ("1075", "1112", "1200.50"), ("1038", "1186", "999999.00")]
        ):
            self._order(f"rent-{number + 1}", source, target, amount)

    def _order(self, key: str, source: str, target: str, amount: str) -> None:
        self._post(
            "/transfers",
            {
                "transferId": key,
                "source": source,
                "target": target,
                "amount": czk(amount),
                "valueDate": "2026-01-01",
                "purpose": "rent",
            },
        )

    def _ledger(self) -> None:
        ledger = {"name": "Household of Ada", "firstYear": 2020, "retainedEarnings": "Equity:R"}
        self._post("/ledgers", {"ledgerId": "household", "journals": 3, **ledger})
        self._post("/ledgers/household/accounts", CHART)
        for month in range(1, 13):
            pay = {
                "date": f"2020-{month:02}-05",
                "narration": "pay",
                "postings": [posting("Assets:Cash", "3100.00"), posting("Income:Pay", "-3100.00")],
            }
            self._post("/ledgers/household/entries", pay)
            self._post(
                "/ledgers/household/entries", meal(f"2020-{month:02}-17", f"{40 + month}.75")
            )
        self._post("/ledgers/household/years", {"year": 2021})
        self._post("/ledgers/household/entries", meal("2021-02-03", "18.20"))

    def settle(self) -> None:
        """Besides, relay and sweeper have done their work. Views stand still while they are *held*."""
        if self.held:
            self.sequence()
        else:
            super().settle()
        end = self.log.head().next_position - 1
        self.checkpoints.move(MARK, 0, self.checkpoints.read(MARK, [0])[0], end)
        began = self.clock().timestamp() - 3 * 3600
        self.checkpoints.write_note("sweeper", json.dumps({"began": began, "part": 5, "pages": 21}))

    def spoil(self) -> None:
        """A transfer with an event that nobody can read, as a release leaves it that was taken back."""
        self._order("rent-9", "1223", "1001", "10.00")
        self.settle()
        odd = StoredEvent("source-debited", 9, {"order": "rent-9", "sum": "ten"})
        assert self.events.append(commit("main/transfer-rent-9", 2)._replace(events=(odd,))) is None
        self.settle()

    def park(self, key: str) -> None:
        """Lets the view `balances` fail on an account, as a fold does that was changed wrongly."""
        services = process.services()
        whole = services.views
        services.views = {**whole, "balances": failing(balances, f"main/account-{key}")}
        self._post(f"/accounts/{key}/credits", {"amount": czk("1.00"), "valueDate": "2026-01-02"})
        self.settle()
        services.views = whole

    def _tick(self, chance: Random) -> None:
        self.clock.forward(seconds=chance.uniform(1, 9000) / 30)

    def _post(self, path: str, body: Mapping[str, object]) -> None:
        answer = self.post(path, body)
        assert answer.status < 300, answer.text


def failing(view: View, stream: str) -> View:
    """*view* with a fold that fails on *stream*."""

    def fold(row: object, recorded: object, key: str) -> object:
        if key.startswith(stream):
            raise KeyError("credit_limit")
        return view.fold(row, recorded, key)  # type: ignore[arg-type]

    return View(view.name, view.codecs, view.keys, fold, view.store)  # type: ignore[arg-type]


WAIT = re.compile(r"wait=(\d+)&?")


def is_idle(sent: Answer) -> bool:
    """Whether an answer would have waited for more: it is 304, or a page of the log without commits."""
    return sent.status == 304 or sent.json.get("items") == []


@contextmanager
def served(
    bank: Shown, files: Path, sign_in: Mapping[str, str] = {}, port: int = 0
) -> Iterator[str]:
    """The URL of the console over *bank*, one request at a time. A long poll holds up no other.

    *sign_in* names the issuer, as settings.
    """
    console.FILES = files
    process.services().settings = Settings({"LEFTFOLD_STACK": "test", **SETTINGS, **sign_in})
    process.services().waker = Woken()
    # Whoever asks brings a token, or has none.
    bank.token = None
    lock = Lock()

    class Handler(Answering, BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = WAIT.search(self.path)
            until = time.monotonic() + (int(asked[1]) if asked else 0)
            path = WAIT.sub("", self.path).removeprefix("/api")
            while True:
                with lock:
                    sent = bank.send("GET", path, None, dict(self.headers))
                if time.monotonic() >= until or not is_idle(sent):
                    break
                time.sleep(0.1)
            self.answer(sent)

        def do_POST(self) -> None:
            body = self.body
            if self.path in ("/hold", "/release"):
                # Of the test alone: the views' functions stand still, or go on.
                with lock:
                    bank.held = self.path == "/hold"
                    bank.settle()
                self.send_response(204)
                self.end_headers()
                return
            with lock:
                sent = bank.send("POST", self.path.removeprefix("/api"), body, dict(self.headers))
                bank.settle()
            self.answer(sent)

    with at_a_port(Handler, port) as url:
        yield f"{url}/api"

"""A subject is forgotten: nothing shows its data any more, and all else is as before."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.domain import DOMAIN
from chalicelib.functions import handler
from chalicelib.leftfold.commands.handler import CommandHandler
from chalicelib.leftfold.erasure.auditing import Auditing
from chalicelib.leftfold.erasure.erasing import SETTLES, STORES_LET_GO, Eraser, UnknownSubjectError
from chalicelib.leftfold.erasure.streams import streams_of
from chalicelib.leftfold.functions.budgets import FOR_A_STEP
from chalicelib.leftfold.kernel.commit import instant
from chalicelib.leftfold.kernel.repair import NO_REPAIRS
from chalicelib.leftfold.projection.replay import compare, replay
from chalicelib.leftfold.projection.rows import Save
from chalicelib.leftfold.store.ports import Unavailable
from chalicelib.leftfold.subjects.audit import audit, key_of
from chalicelib.leftfold.subjects.keys import Part
from chalicelib.leftfold.subjects.memory import MemoryKeys
from chalicelib.leftfold.subjects.vault import KEY_AGE
from chalicelib.leftfold.wiring import process
from tests.clock import Clock
from tests.faults import Lossy
from tests.functions.test_functions import SCHEDULED, Context, metrics
from tests.http.conftest import Bank
from tests.issuer import house_token
from tests.vaults import vault_of
from tools.bootstrap import ROOT

ADA = "main/account:a"
# What only Ada's account and transfers say. Bob's account says that money came from `a`.
SECRETS = (
    "Adelaide Quux",
    "adelaide@example.com",
    "quuxrent",
    "quuxgift",
    "quuxnotify@example.com",
)
PUBLISHED = ROOT / "tests" / "http" / "published.json"
AUDIT = audit.stream(key_of(ADA), "main")


@pytest.fixture
def bank() -> Iterator[Bank]:
    before = process._services
    made = Bank()
    for key, owner, email in (("a", SECRETS[0], SECRETS[1]), ("b", "Bob", "bob@example.com")):
        opening = {"accountId": key, "owner": owner, "currency": "CZK", "kind": "current"}
        assert made.post("/accounts", opening | {"email": email}).status == 201
    for amount in range(30):
        purpose = SECRETS[2] if amount % 2 else f"{SECRETS[2]} {amount}"
        booked = {"amount": {"amount": "100.00", "currency": "CZK"}, "valueDate": "2026-01-01"}
        assert made.post("/accounts/a/credits", booked | {"purpose": purpose}).status == 200
        assert made.post("/accounts/b/credits", booked | {"purpose": "salary"}).status == 200
    for key in "ab":
        assert made.post(f"/accounts/{key}/statements", {"through": "2026-01-01"}).status == 200
    transfer = {"transferId": "t", "source": "a", "target": "b", "valueDate": "2026-01-01"}
    money = {"amount": {"amount": "5.00", "currency": "CZK"}}
    notified = {"purpose": SECRETS[3], "notify": SECRETS[4]}
    assert made.post("/transfers", transfer | money | notified).status == 202
    made.act()
    yield made
    process._services = before


def eraser() -> Eraser:
    return process.services().eraser


def texts_of(bank: Bank) -> dict[str, str]:
    """All that is stored, by its place, as text. The key table has no data of anybody."""
    events = bank.events.everything()  # type: ignore[attr-defined]
    found = {
        f"event {stream} {version}": f"{commit.line} {commit.snapshot}"
        for stream, commits in events.items()
        for version, commit in commits.items()
    }
    for name, rows in bank.rows.items():
        found |= {f"row {name} {key}": json.dumps(row.row) for key, row in rows.scan()}
    for block in bank.log.blocks(0):
        found[f"block {block.first_position}"] = " ".join(c.line for c in block.commits)
    found |= {f"effect {key}": str(stored) for key, stored in bank.effects.stored.items()}
    found |= {f"parked {n} {s}": str(p) for n, s, p in bank.parking.all()}
    return found


def places(bank: Bank, *words: str) -> list[str]:
    """The places that have one of *words* in them."""
    return [place for place, text in texts_of(bank).items() if any(word in text for word in words)]


def forget(bank: Bank, subject: str = ADA) -> Any:
    """The whole erasure, with a run before the caches of all processes are old and one after."""
    erasure = eraser().begin(subject, "operator:eve", "case-7")
    assert eraser().run(erasure) is None
    bank.clock.forward(seconds=SETTLES.total_seconds())
    return eraser().run(erasure)


def differences(bank: Bank) -> list[Any]:
    """The rows that are not as a replay makes them."""
    vault = vault_of(bank.keys)
    return [
        difference
        for name, view in DOMAIN.views.items()
        for difference in compare(
            replay(view, bank.log, lambda _: None, opener=vault).rows, bank.rows[name].scan()
        )
    ]


def test_only_rows_show_personal_data_and_nothing_else_that_is_stored(bank: Bank) -> None:
    shown = places(bank, *SECRETS)
    assert {place.split()[1] for place in shown} == {"balances", "ranking", "bookings", "transfers"}
    assert all(place.startswith("row ") for place in shown)
    assert sorted(email.to for email in bank.mailer.sent) == [
        SECRETS[1],
        "bob@example.com",
        SECRETS[4],
    ]


def test_of_a_forgotten_subject_nothing_is_to_be_found_and_all_others_are_as_before(
    bank: Bank,
) -> None:
    before = texts_of(bank)
    concerned = set(places(bank, *SECRETS))
    report = forget(bank)
    after = texts_of(bank)
    assert places(bank, *SECRETS) == [
        # What the counterpart was told is in the counterpart's own books.
        place
        for place in after
        if place.startswith(("row bookings main/account-b", "row transfers"))
        and any(word in after[place] for word in SECRETS)
    ]
    assert {p for p in before if after[p] != before[p]} <= concerned
    assert report["places"]["rows of balances"] == 0
    assert differences(bank) == []


def test_every_read_shows_erased_and_none_fails(bank: Bank) -> None:
    forget(bank)
    account = bank.get("/accounts/a").json
    assert (account["owner"], account["balance"]) == (
        "erased",
        {"amount": "2995.00", "currency": "CZK"},
    )
    bodies = [event["body"] for event in bank.get("/accounts/a/events?limit=500").json["items"]]
    assert {body["owner"] for body in bodies if "owner" in body} == {"erased"}
    assert {body["purpose"] for body in bodies if "purpose" in body} == {"erased"}
    assert {body["email"] for body in bodies if "email" in body} == {"erased"}
    booked = bank.get("/accounts/a/statements/1").json["bookings"]
    assert {booking["purpose"] for booking in booked} == {"erased"}
    assert bank.get("/transfers/t").json["purpose"] == "erased"
    assert bank.get("/accounts/b").json["owner"] == "Bob"
    assert [row["owner"] for row in bank.get("/accounts").json["items"]].count("erased") == 1


@pytest.mark.slow
def test_no_route_shows_anything_of_a_forgotten_subject_whoever_asks(bank: Bank) -> None:
    opening = {"accountId": "c", "owner": SECRETS[0], "currency": "CZK", "kind": "current"}
    asked = {"Idempotency-Key": "open-c"}
    assert bank.post("/accounts", opening, **asked).status == 201
    bank.settle()
    bank.token = house_token()
    routes = [name.split()[1] for name in json.loads(PUBLISHED.read_text()) if name[:4] == "GET "]
    urls = ["/live/accounts/a", *(url for route in routes for url in urls_of(route))]
    before = {url: bank.get(url) for url in urls}
    shown = [url for url, answer in before.items() if any(word in answer.text for word in SECRETS)]
    assert {"/accounts/a", "/transfers/t", "/live/accounts/a"} <= set(shown)
    for subject in (ADA, "main/account:c"):
        forget(bank, subject)
    bank.settle()
    for url in urls:
        answer = bank.get(url)
        assert answer.status < 500, url
        # What a counterpart was told is in its own bookings.
        of_bob = url in ("/bookings", "/transfers/t/trace")
        words = [w for w in SECRETS if not (of_bob and w == SECRETS[3])]
        assert not any(word in answer.text for word in words), url
        tag = before[url].headers.get("ETag")
        if tag and url in shown and not url.startswith("/log"):
            changed = bank.get(url, **{"If-None-Match": str(tag)})
            assert changed.status == 200, f"{url} says that what was shown is still so"
    frozen = {"If-Match": bank.get("/accounts/c").headers["ETag"]}
    assert frozen == {"If-Match": '"1-erased"'}
    assert bank.post("/accounts/c/freeze", **frozen).status == 200
    assert bank.post("/accounts/c/unfreeze", **frozen).code == "version-mismatch"
    again = bank.post("/accounts", opening, **asked)
    assert SECRETS[0] not in again.text


def urls_of(route: str) -> Iterator[str]:
    """What is asked of a route: about Ada's account, the other that she has opened, her transfer."""
    facts = {"number": "1", "version": "1", "position": "0", "reader": "balances", "day": "x"}
    facts |= {"category": "account", "currency": "CZK"}
    for key in ("a", "c", "t", "account:a", "account:c"):
        url = route
        for name, value in {**facts, "id": key, "key": key}.items():
            url = url.replace(f"{{{name}}}", value)
        yield url
        if "{" not in route:
            break


def test_the_account_lives_on_without_its_owner(bank: Bank) -> None:
    forget(bank)
    booked = {"amount": {"amount": "1.00", "currency": "CZK"}, "valueDate": "2026-01-02"}
    late = bank.post("/accounts/a/credits", booked | {"purpose": "back again"})
    assert (late.code, late.json["subject"]) == ("subject-erased", "account:a")
    assert bank.post("/accounts/a/credits", booked).status == 200
    bank.clock.forward(days=1)
    assert bank.post("/accounts/a/statements", {"through": "2026-01-02"}).status == 200
    bank.act()
    assert places(bank, "back again") == []
    assert bank.get("/accounts/a").json["owner"] == "erased"
    assert bank.keys.find([ADA])[ADA].wrapped is None
    assert len(bank.mailer.sent) == 3


def test_money_under_way_comes_through_though_its_payer_is_forgotten(bank: Bank) -> None:
    order = {"transferId": "u", "source": "a", "target": "b", "valueDate": "2026-01-01"}
    money = {"amount": {"amount": "7.00", "currency": "CZK"}}
    asked = order | money | {"purpose": SECRETS[3], "notify": SECRETS[4]}
    assert bank.post("/transfers", asked).status == 202
    forget(bank)
    bank.act()
    assert bank.get("/transfers/u").json["state"] == "completed"
    assert len(bank.mailer.sent) == 3
    answers = [stored.answer for stored in bank.effects.stored.values()]
    assert answers.count("not sent: its subject was forgotten") == 1
    assert not [p for p in places(bank, *SECRETS) if p.startswith(("row balances", "effect"))]
    assert list(bank.parking.all()) == []


def test_who_was_never_known_cannot_be_forgotten(bank: Bank) -> None:
    with pytest.raises(UnknownSubjectError):
        eraser().begin("main/account:nobody", "operator:eve", "case-7")
    assert bank.keys.find(["main/account:nobody"]) == {}


class Left(Context):
    """Lambda's context, with so many milliseconds left at each look."""

    def __init__(self, *left: int) -> None:
        self._left = list(left)

    def get_remaining_time_in_millis(self) -> int:
        return self._left.pop(0)


def test_the_function_tells_how_many_erasures_are_left_and_an_error_hides_no_other(
    bank: Bank, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = sorted((ADA, "main/account:b"))
    for subject in (first, second):
        eraser().begin(subject, "operator:eve", "case-7")
    tried: list[str] = []
    whole = Eraser.run

    def run(self: Eraser, erasure: Any) -> Any:
        tried.append(erasure.subject)
        if erasure.subject == first and len(tried) == 1:
            raise Unavailable("the keys")
        return whole(self, erasure)

    def left() -> list[int]:
        return [m["ErasuresUnfinished"] for m in metrics(capsys) if "ErasuresUnfinished" in m]

    monkeypatch.setattr(Eraser, "run", run)
    with pytest.raises(ExceptionGroup) as raised:
        handler("forget")(SCHEDULED, Left(FOR_A_STEP, FOR_A_STEP))
    assert [str(error) for error in raised.value.exceptions] == ["the keys"]
    # One has failed, and the other has to wait until all caches are old.
    assert (tried, left()) == ([first, second], [2])
    handler("forget")(SCHEDULED, Left(FOR_A_STEP, FOR_A_STEP - 1))
    assert (tried[2:], left()) == ([first], [1])
    bank.clock.forward(seconds=SETTLES.total_seconds())
    handler("forget")(SCHEDULED, Context())
    assert left() == [0]


def test_an_erasure_is_in_the_audit_stream_once_however_often_it_runs(bank: Bank) -> None:
    forget(bank)
    forget_again = eraser().begin(ADA, "operator:mallory", "case-8")
    assert (forget_again.by, forget_again.report is not None) == ("operator:eve", True)
    eraser().run(forget_again)
    commits = bank.events.range(audit.stream(key_of(ADA), "main"), 1, 10)
    assert [(e.name, c.actor) for c in commits for e in c.events] == [
        ("erasure-begun", "operator:eve"),
        ("subject-erased", "operator:eve"),
    ]


def test_a_row_that_was_written_with_a_key_still_in_memory_is_found_by_the_last_run(
    bank: Bank,
) -> None:
    erasure = eraser().begin(ADA, "operator:eve", "case-7")
    rows = bank.rows["balances"]
    late = rows.load(["main/account-a"])["main/account-a"]
    eraser().run(erasure)
    # A view that had opened the account's events before.
    (forgotten,) = rows.load(["main/account-a"]).values()
    assert rows.save([Save("main/account-a", late.row, late.position, forgotten)]) == set()
    assert places(bank, SECRETS[0]) == ["row balances main/account-a"]
    bank.clock.forward(seconds=SETTLES.total_seconds() - 1)
    assert eraser().run(erasure) is None
    rows.save(
        [Save("main/account-a", late.row, late.position, *rows.load(["main/account-a"]).values())]
    )
    bank.clock.forward(seconds=1)
    assert eraser().run(erasure) is None, "the store may not have let go of the row before"
    bank.clock.forward(seconds=STORES_LET_GO.total_seconds())
    report = eraser().run(erasure)
    assert report is not None
    assert report["places"]["rows of balances"] == 1
    assert places(bank, SECRETS[0]) == []


def test_no_report_is_written_while_a_process_may_still_have_the_key() -> None:
    assert timedelta(seconds=KEY_AGE) + timedelta(minutes=15) < SETTLES


class KilledError(BaseException):
    """The process ends at this call."""


class Mortal:
    """A port whose process is killed before, or just after, its n-th call in all."""

    def __init__(self, port: Any, calls: list[int], last: int, *, after: bool) -> None:
        self._port, self._calls, self._last, self._after = port, calls, last, after

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._port, name)

        def call(*args: Any, **named: Any) -> Any:
            self._calls[0] += 1
            if self._calls[0] == self._last and not self._after:
                raise KilledError
            result = method(*args, **named)
            if self._calls[0] == self._last and self._after:
                raise KilledError
            return result

        return call


@dataclass
class Storage:
    """All storage of a bank, as processes meet it."""

    keys: MemoryKeys
    events: Any
    log: Any
    rows: dict[str, Any]
    clock: Clock

    def eraser(
        self, around: Callable[[Any], Any] = lambda port: port, application: str = "blue"
    ) -> Eraser:
        """A process of its own that forgets; its ports are *around* the storage."""
        services, vault = process.services(), vault_of(self.keys)
        events, still = around(self.events), lambda _attempt: None
        return Eraser(
            application,
            around(self.keys),
            vault,
            events,
            around(self.log),
            services.aggregates,
            services.views,
            lambda name: around(self.rows[name]),
            Auditing(
                CommandHandler(events, services.fingerprints, self.clock, still, vault), self.clock
            ),
            self.clock,
            still,
            NO_REPAIRS,
        )

    def forget(self, around: Callable[[Any], Any] = lambda port: port) -> None:
        """An erasure from its beginning to its end."""
        erasure = self.eraser(around).begin(ADA, "operator:eve", "case-7")
        self.eraser(around).run(erasure)
        self.clock.forward(seconds=SETTLES.total_seconds())
        self.eraser(around).run(erasure)

    def go_on(self) -> None:
        """What the function `forget` does each five minutes."""
        for time in (SETTLES, STORES_LET_GO):
            self.clock.forward(seconds=time.total_seconds())
            made = self.eraser()
            for erasure in made.unfinished():
                made.run(erasure)


@pytest.mark.slow
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_killed_at_any_call_an_erasure_is_completed_by_the_next_run(
    bank: Bank, *, after: bool
) -> None:
    kept = Storage(bank.keys, bank.events, bank.log, bank.rows, bank.clock)
    counted = [0]
    deepcopy(kept).forget(lambda port: Mortal(port, counted, -1, after=after))
    assert counted[0] > 40
    for last in range(1, counted[0] + 1):
        storage, calls = deepcopy(kept), [0]
        with pytest.raises(KilledError):
            storage.forget(lambda port, c=calls, n=last: Mortal(port, c, n, after=after))  # type: ignore[misc]
        storage.go_on()
        if last == 1 and not after:
            # Nobody knows of it but the operator, who had no answer.
            assert storage.keys.erasure(ADA) is None
            continue
        erasure = storage.keys.erasure(ADA)
        assert erasure is not None
        assert erasure.report is not None, last
        assert list(storage.keys.unfinished()) == []
        for name, rows in storage.rows.items():
            shown = [key for key, row in rows.scan() if SECRETS[0] in json.dumps(row.row)]
            assert shown == [], (last, name)
        assert [e.name for c in storage.events.range(AUDIT, 1, 9) for e in c.events] == [
            "erasure-begun",
            "subject-erased",
        ]


def test_no_report_is_written_before_each_application_has_folded_its_own_rows(bank: Bank) -> None:
    blue = Storage(bank.keys, bank.events, bank.log, bank.rows, bank.clock)
    green = Storage(bank.keys, bank.events, bank.log, deepcopy(bank.rows), bank.clock)
    assert list(green.eraser(application="green").unfinished()) == []
    erasure = blue.eraser().begin(ADA, "operator:eve", "case-7")
    bank.clock.forward(seconds=SETTLES.total_seconds())
    assert blue.eraser().run(erasure) is None
    assert SECRETS[0] in str(list(green.rows["balances"].scan()))
    assert green.eraser(application="green").run(erasure) is None
    bank.clock.forward(seconds=STORES_LET_GO.total_seconds())
    assert blue.eraser().run(erasure) is None
    for found in green.eraser(application="green").unfinished():
        report = green.eraser(application="green").run(found)
    assert SECRETS[0] not in str(list(green.rows["balances"].scan()))
    assert report is not None
    assert report["applications"] == ["blue", "green"]
    assert report["places"]["rows of balances"] == 2
    assert report["places"]["streams"] == 2
    assert list(blue.eraser().unfinished()) == []


def test_a_settled_run_that_was_killed_goes_on_behind_the_last_stream_that_is_done(
    bank: Bank,
) -> None:
    storage = Storage(bank.keys, bank.events, bank.log, bank.rows, bank.clock)
    erasure = storage.eraser().begin(ADA, "operator:eve", "case-7")
    bank.clock.forward(seconds=SETTLES.total_seconds())
    done = [*streams_of(bank.keys, bank.events, ADA)]
    bank.keys.keep_part(ADA, "blue", Part(done[0], {"streams": 1}))
    assert storage.eraser().run(erasure) is None
    bank.clock.forward(seconds=STORES_LET_GO.total_seconds())
    report = storage.eraser().run(erasure)
    assert report is not None
    assert report["places"]["streams"] == len(done) == 2
    assert "row balances main/account-a" in places(bank, SECRETS[0])
    assert "row transfers main/transfer-t" not in places(bank, SECRETS[3])


class Meanwhile:
    """Events of which some more are committed, and folded, once the *last* page of a stream is read."""

    def __init__(self, events: Any, bank: Bank) -> None:
        self._events, self._bank, self._done = events, bank, False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._events, name)

    def range(self, stream: str, first: int, last: int) -> Any:
        found = self._events.range(stream, first, last)
        if not self._done and stream == "main/account-a" and not found:
            self._done = True
            booked = {"amount": {"amount": "1.00", "currency": "CZK"}, "valueDate": "2026-01-02"}
            assert self._bank.post("/accounts/a/credits", booked).status == 200
            self._bank.act()
        return found


def test_what_a_view_has_folded_since_the_stream_was_read_is_not_lost(bank: Bank) -> None:
    storage = Storage(bank.keys, Meanwhile(bank.events, bank), bank.log, bank.rows, bank.clock)
    erasure = storage.eraser().begin(ADA, "operator:eve", "case-7")
    bank.clock.forward(seconds=SETTLES.total_seconds())
    assert storage.eraser().run(erasure) is None
    bank.clock.forward(seconds=STORES_LET_GO.total_seconds())
    assert storage.eraser().run(erasure) is not None
    assert bank.get("/accounts/a").json["balance"]["amount"] == "2996.00"
    assert places(bank, SECRETS[0]) == []
    assert differences(bank) == []


def test_an_erasure_that_has_begun_is_answered_though_its_rows_do_not(bank: Bank) -> None:
    down: Any = Lossy(bank.rows["balances"], before=frozenset(range(1, 99)))
    process.services().__dict__["eraser"] = replace(eraser(), rows=lambda _name: down)
    answer = bank.post("/subjects/account:a/erasure", {"case": "7"})
    assert (answer.status, answer.json["state"]) == (202, "under-way")
    assert bank.keys.find([ADA])[ADA].wrapped is None
    assert [erasure.subject for erasure in bank.keys.unfinished()] == [ADA]


def test_an_erasure_is_shown_from_when_it_is_begun(bank: Bank) -> None:
    path = "/subjects/account:a/erasure"
    missing = bank.get(path)
    assert (missing.status, missing.code) == (404, "erasure-missing")
    begun = bank.post(path, {"case": "7"})
    shown = bank.get(path)
    assert (begun.status, shown.status) == (202, 200)
    assert shown.json == begun.json
    assert shown.json == {
        "subject": "account:a",
        "state": "under-way",
        "erasedAt": instant(bank.clock()),
        "erasedBy": "ada",
        "case": "7",
        "finishedFrom": instant(bank.clock() + SETTLES),
        "report": None,
    }


def test_two_operators_at_once_do_no_harm(bank: Bank) -> None:
    storage = Storage(bank.keys, bank.events, bank.log, bank.rows, bank.clock)
    first = storage.eraser().begin(ADA, "operator:eve", "case-7")
    second = storage.eraser().begin(ADA, "operator:mallory", "case-8")
    assert first == second
    bank.clock.forward(seconds=SETTLES.total_seconds())
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda erasure: storage.eraser().run(erasure), (first, second)))
    bank.clock.forward(seconds=STORES_LET_GO.total_seconds())
    assert storage.eraser().run(first) is not None
    assert places(bank, SECRETS[0]) == []
    assert differences(bank) == []

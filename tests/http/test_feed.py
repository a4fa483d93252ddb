"""The feed over HTTP: every commit once, in order, with what its event says to clients."""

from typing import Any

import pytest

from chalicelib.leftfold.http import feed
from chalicelib.leftfold.kernel import StoredEvent
from chalicelib.leftfold.store.logs import log_of
from chalicelib.leftfold.store.memory import MemoryCheckpoints, MemoryLog, MemorySecrets
from chalicelib.leftfold.store.ports import Head
from chalicelib.leftfold.wiring import process
from chalicelib.leftfold.wiring.settings import Settings
from tests.commits import commit
from tests.contracts.test_log import append
from tests.http.conftest import Bank
from tests.http.samples import booking, czk
from tests.http.test_ledgers import entry, posting, usd, with_chart
from tests.issuer import house_token, token
from tests.ledgers import Books


def pages(bank: Bank, asked: str = "limit=2") -> list[dict[str, Any]]:
    """The items of all pages to the end."""
    found, after = [], ""
    while True:
        page = bank.get(f"/log?{asked}{after}").json
        found += page["items"]
        after = f"&after={page['next']}"
        if page["atEnd"]:
            return found


def test_every_commit_comes_once_and_in_the_order_of_the_log(bank: Bank) -> None:
    for key in "abc":
        bank.open(key)
        bank.post(f"/accounts/{key}/credits", booking("7.00"))
    bank.settle()
    items = pages(bank)
    assert sorted((item["id"], item["version"]) for item in items) == [
        (key, version) for key in "abc" for version in (1, 2)
    ]
    assert items[1] == {
        "stream": "main/account-a",
        "category": "account",
        "id": "a",
        "version": 2,
        "position": None,
        "at": "2026-01-01T00:00:00.000Z",
        "actor": items[1]["actor"],
        "correlationId": items[1]["correlationId"],
        "causes": [],
        "events": [
            {
                "name": "account-credited",
                "eventVersion": items[1]["events"][0]["eventVersion"],
                "correction": None,
                "unreadable": None,
                "body": items[1]["events"][0]["body"] | {"amount": czk("7.00")},
            }
        ],
    }


def test_a_transfer_names_the_commits_that_led_to_each_other(bank: Bank) -> None:
    for key in "ab":
        bank.open(key)
    bank.post("/accounts/a/credits", booking("7.00"))
    order = {"transferId": "t", "source": "a", "target": "b", "amount": czk("7.00")}
    assert bank.post("/transfers", order | {"valueDate": "2026-01-01"}).status == 202
    bank.act()
    items = pages(bank)
    places = {(item["stream"], item["version"]): place for place, item in enumerate(items)}
    causes = [
        (places[cause["stream"], cause["version"]], place)
        for place, item in enumerate(items)
        for cause in item["causes"]
    ]
    assert causes
    assert all(cause < effect for cause, effect in causes)


def test_a_category_leaves_the_others_out_and_the_place_serves_any_category(bank: Bank) -> None:
    bank.open("a")
    bank.open("b")
    bank.settle()
    page = bank.get("/log?category=transfer").json
    assert (page["items"], page["atEnd"]) == ([], True)
    bank.open("c")
    bank.settle()
    (item,) = bank.get(f"/log?category=account&after={page['next']}").json["items"]
    assert item["id"] == "c"


def test_a_reader_may_begin_at_the_end(bank: Bank) -> None:
    bank.open("a")
    bank.settle()
    page = bank.get("/log?from=end").json
    assert page["items"] == []
    bank.open("b")
    bank.settle()
    (item,) = bank.get(f"/log?from=end&after={page['next']}").json["items"]
    assert item["id"] == "b"


def test_the_feed_of_one_tenant_has_nothing_of_another_and_no_positions(bank: Bank) -> None:
    bank.open("a")
    bank.token = token("other")
    bank.open("b")
    bank.settle()
    page = bank.get("/log").json
    assert [item["stream"] for item in page["items"]] == ["other/account-b"]
    assert page["items"][0]["position"] is None
    assert bank.get("/log?last=1").code == "house-only"
    bank.token = token("main")
    assert [item["stream"] for item in bank.get("/log").json["items"]] == ["main/account-a"]
    assert bank.get(f"/log?after={page['next']}").code == "bad-cursor"


def test_the_feed_of_the_house_has_all_tenants_and_positions(bank: Bank) -> None:
    for tenant in ("main", "other"):
        bank.token = token(tenant)
        bank.open("a")
    bank.settle()
    bank.token = house_token()
    page = bank.get("/log?last=2").json
    assert [(item["stream"], item["position"]) for item in page["items"]] == [
        ("main/account-a", 0),
        ("other/account-a", 1),
    ]
    assert bank.get("/log?last=9").json["items"] == page["items"]
    assert bank.get("/log?last=1").json["items"] == page["items"][1:]
    assert bank.get("/log?since=1970-01-01T00:00:00Z").json["items"] == page["items"]
    assert (page["position"], page["atEnd"]) == (2, True)
    at_the_end = bank.get("/log?from=end").json
    assert (at_the_end["items"], at_the_end["position"]) == ([], 2)


def test_an_unknown_category_is_an_error_and_no_silence(bank: Bank) -> None:
    answer = bank.get("/log?category=acount")
    assert (answer.status, answer.parameters) == (400, ["category"])
    assert "account" in answer.json["errors"][0]["detail"]


def test_a_request_waits_for_the_next_commit(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    def then(seconds: float) -> None:
        waits.append(seconds)
        bank.waited += seconds
        if len(waits) == 2:
            bank.open("late")
            bank.settle()

    monkeypatch.setattr(bank, "_wait", then)
    bank.use(bank.events)
    (item,) = bank.get("/log?wait=20").json["items"]
    assert (item["id"], len(waits)) == ("late", 2)


def test_a_request_that_waits_in_vain_says_where_to_go_on(bank: Bank) -> None:
    page = bank.get("/log?wait=20").json
    assert (page["items"], page["atEnd"], round(bank.waited, 6)) == ([], True, 20)
    bank.open()
    bank.settle()
    assert len(bank.get(f"/log?after={page['next']}").json["items"]) == 1


@pytest.mark.parametrize("asked", ["wait=21", "wait=-1", "limit=0", "limit=501", "after="])
def test_a_parameter_out_of_bounds_is_refused(bank: Bank, asked: str) -> None:
    answer = bank.get(f"/log?{asked}")
    assert (answer.status, answer.parameters) == (400, [asked.partition("=")[0]])


def test_a_place_beyond_the_log_is_refused(bank: Bank) -> None:
    """A reader of a log that was restored to an earlier time would wait for ever, and would then
    leave out what has come in place of the lost commits.
    """
    bank.open()
    bank.settle()
    beyond = bank.get("/log").json["next"]
    # The cursors of the lost log and of the restored one are sealed with one key.
    other = Bank()
    other.secrets = bank.secrets
    other.use(other.events)
    answer = other.get(f"/log?after={beyond}")
    assert (answer.status, answer.code) == (400, "bad-cursor")
    detail = "is beyond the end of this log"
    assert answer.json["errors"] == [{"parameter": "after", "detail": detail}]


@pytest.mark.parametrize("after", ["5", "x", "WzAsMV0"])
def test_what_no_page_has_given_is_no_place(bank: Bank, after: str) -> None:
    answer = bank.get(f"/log?after={after}")
    assert (answer.status, answer.code, answer.parameters) == (400, "bad-cursor", ["after"])


def test_amounts_of_a_ledger_are_text_and_names_of_accounts_stay() -> None:
    books = with_chart(Books())
    asked = entry(
        postings=[posting("Assets:Cash", "7.5", "XYZ"), posting("Equity:Trade", "-7.5", "XYZ")]
    )
    assert books.post("/ledgers/a/entries", asked).status == 201
    books.post("/ledgers/a/years/2020/close")
    books.settle()
    bodies = {e["name"]: e["body"] for item in pages(books) for e in item["events"]}
    assert bodies["entry-posted"]["postings"] == asked["postings"]
    assert bodies["year-closed"]["closed"] == {}
    forward = bodies["balances-brought-forward"]
    assert forward["opening"]["Assets:Cash"] == [usd("7.5", "XYZ")]
    assert (forward["retainedEarnings"], forward["firstYear"]) == ("Equity:R", 2020)


def with_a_second_log() -> MemoryLog:
    """Gives the stage a second log, which is returned."""
    services, second = process.services(), MemoryLog()
    services.settings = Settings({**services.settings._variables, "LEFTFOLD_LOGS": "2"})
    services.parts_of = lambda _: {"log": second, "checkpoints": MemoryCheckpoints()}
    return second


def test_each_tenant_follows_its_own_log_and_the_house_names_one(bank: Bank) -> None:
    """The order ends at the group of tenants; a place in one log is none in another."""
    second, names = with_a_second_log(), ("main", "main-1")
    here, there = (
        next(f"t{n}" for n in range(9) if log_of(f"t{n}", names) == name) for name in names
    )
    assert append(bank.log, Head(), (f"{here}/account-a", 1), (f"{here}/account-a", 2))
    assert append(second, Head(), (f"{there}/account-b", 1))
    for tenant, versions in ((here, [1, 2]), (there, [1])):
        bank.token = token(tenant)
        assert [item["version"] for item in bank.get("/log").json["items"]] == versions
        assert bank.get("/log?log=main").code == "house-only"
    bank.token = house_token()
    assert len(bank.get("/log").json["items"]) == 2
    page = bank.get("/log?log=main-1").json
    assert [(item["stream"], item["position"]) for item in page["items"]] == [
        (f"{there}/account-b", 0)
    ]
    assert bank.get(f"/log?log=main-1&after={page['next']}").json["items"] == []
    assert bank.get(f"/log?log=main&after={page['next']}").code == "bad-cursor"
    assert bank.get("/log?log=main-1&last=1").json["items"] == page["items"]
    wrong = bank.get("/log?log=main-2").json["errors"]
    assert wrong == [{"parameter": "log", "detail": "must be one of: main, main-1"}]


def test_the_house_sees_the_readers_and_blocks_of_the_log_that_it_names(bank: Bank) -> None:
    second = with_a_second_log()
    assert append(second, Head(), ("t/account-b", 1))
    bank.token = house_token()
    first, other = bank.get("/readers").json, bank.get("/readers?log=main-1").json
    assert (first["log"], first["nextPosition"]) == ("main", 0)
    assert (other["log"], other["nextPosition"]) == ("main-1", 1)
    assert first["logs"] == other["logs"] == ["main", "main-1"]
    assert bank.get("/blocks/0").code == "no-such-position"
    assert bank.get("/blocks/0?log=main-1").json["proved"]


def test_the_commits_of_one_correlation_id_are_found_however_far_back(
    bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "MOST_SEARCHED", 5)
    bank.open("a")
    bank.settle()
    for number in range(12):
        named = {"x_correlation_id": "order-7"} if number in {0, 11} else {}
        bank.post("/accounts/a/credits", booking("1.00"), **named)
        bank.settle()
    items = pages(bank, "correlation=order-7")
    assert [item["version"] for item in items] == [2, 13]
    assert {item["correlationId"] for item in items} == {"order-7"}
    assert pages(bank, "correlation=order-7&category=transfer") == []
    first = bank.get("/log?correlation=order-7").json
    assert (len(first["items"]), first["atEnd"], first["position"]) == (1, False, None)
    bank.token = house_token()
    assert bank.get("/log?correlation=order-7").json["position"] == 5
    assert bank.get(f"/log?correlation={'o' * 129}").parameters == ["correlation"]


def test_a_reader_may_begin_at_a_time(bank: Bank) -> None:
    bank.open("a")
    for _ in range(20):
        bank.clock.forward(seconds=3600)
        bank.post("/accounts/a/credits", booking("1.00"))
        bank.settle()
    # What came into the log an hour late is among what follows.
    at = bank.stream()[9].at
    assert [item["version"] for item in pages(bank, f"since={at}")] == list(range(9, 22))
    assert pages(bank, "since=2030-01-01T00:00:00Z") == []
    assert len(pages(bank, "since=1970-01-01T00:00:00%2B00:00")) == 21


@pytest.mark.parametrize(
    "wrong",
    [
        "2026-01-01",
        "2026-01-01T00:00:00",
        "1969-12-31T23:59:59Z",
        "0001-01-01T00:00:00%2B09:00",
        "now",
    ],
)
def test_what_is_no_time_is_refused(bank: Bank, wrong: str) -> None:
    answer = bank.get(f"/log?since={wrong}")
    assert (answer.status, answer.parameters) == (400, ["since"])


def test_people_see_an_event_that_nobody_can_read_and_programs_stop_there(bank: Bank) -> None:
    bank.open("a")
    odd = StoredEvent("account-credited", 9, {"sum": "seven"})
    assert bank.events.append(commit("main/account-a", 2)._replace(events=(odd,))) is None
    bank.sequence()
    assert bank.get("/log").status == 500
    opened, shown = bank.get("/log?unreadable=show").json["items"]
    assert opened["events"][0]["unreadable"] is None
    (event,) = shown["events"]
    assert (event["name"], event["eventVersion"], event["body"]) == odd[:3]
    assert event["unreadable"].startswith("UnknownEvent: ")


def test_a_new_key_of_the_seal_outdates_every_cursor_and_spoils_no_list(bank: Bank) -> None:
    """The runbook: the item is deleted, and the application is deployed, so that processes begin anew."""
    for key in "abc":
        bank.open(key)
    bank.settle()
    feed, ranking = bank.get("/log?limit=1").json, bank.get("/accounts?limit=1").json
    bank.use(bank.events)
    assert bank.get(f"/accounts?limit=1&cursor={ranking['next']}").status == 200
    bank.secrets = MemorySecrets()
    bank.use(bank.events)
    for path in (f"/accounts?limit=1&cursor={ranking['next']}", f"/log?after={feed['next']}"):
        answer = bank.get(path)
        assert (answer.status, answer.code) == (400, "bad-cursor")
    assert bank.get("/accounts?limit=1").json["items"] == ranking["items"]
    assert bank.get("/log?limit=1").json["items"] == feed["items"]

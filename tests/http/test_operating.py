"""What operators see over HTTP is what the real folds say, and redriving is left to the reader."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.bank.account.domain import account
from chalicelib.domain import DOMAIN
from chalicelib.leftfold.functions.readers import redrive
from chalicelib.leftfold.http.operating import PARKED_SHOWN
from chalicelib.leftfold.kernel import Recorded, Row, StoredEvent, View
from chalicelib.leftfold.relay.publisher import MARK
from chalicelib.leftfold.relay.sequencer import Sequencer
from chalicelib.leftfold.store.alarms import Alarm
from chalicelib.leftfold.store.ports import ParkedStream
from chalicelib.leftfold.wiring import process
from tests.application import still
from tests.commits import commit, events_in
from tests.http.conftest import Bank
from tests.http.samples import booking, czk
from tests.issuer import house_token, token

BOTH = (("credit", "7.00"), ("debit", "5.00"))


class Context:
    """A function's context, with time."""

    def get_remaining_time_in_millis(self) -> int:
        return 60_000


class Heard:
    """A waker that keeps what it was asked."""

    def __init__(self) -> None:
        self.wakes: list[tuple[str, dict[str, int]]] = []

    def wake(self, function: str, wanted: Mapping[str, int] = {}) -> None:
        self.wakes.append((function, dict(wanted)))


def with_a_statement(bank: Bank) -> None:
    bank.open()
    for amount in ("7.00", "5.00"):
        bank.post("/accounts/a/credits", booking(amount))
    assert bank.post("/accounts/a/statements", {"through": "1993-02-01"}).status == 200
    bank.post("/accounts/a/debits", booking("2.00", valueDate="1993-03-01"))
    bank.settle()


def test_a_stream_shows_its_commits_across_epochs_the_newest_first(bank: Bank) -> None:
    with_a_statement(bank)
    shown = bank.get("/streams/account/a?limit=3").json
    assert (shown["version"], shown["epoch"], shown["logged"], shown["next"]) == (5, 2, 5, 3)
    assert [(c["version"], c["epoch"], c["beginsEpoch"]) for c in shown["items"]] == [
        (5, 2, False),
        (4, 2, True),
        (3, 1, False),
    ]
    assert shown["items"][0]["events"][0]["body"]["amount"] == czk("2.00")
    older = bank.get(f"/streams/account/a?before={shown['next']}").json
    assert ([c["version"] for c in older["items"]], older["next"]) == ([2, 1], None)
    assert bank.get("/streams/account/a?before=1").json["items"] == []


def test_a_stream_says_what_of_it_is_archived(bank: Bank) -> None:
    with_a_statement(bank)
    assert bank.log.mark_archived("main/account-a", 0, 3)
    shown = bank.get("/streams/account/a").json
    assert shown["archivedThrough"] == 3
    assert [(c["version"], c["archived"]) for c in shown["items"]] == [
        *((version, False) for version in (5, 4)),
        *((version, True) for version in (3, 2, 1)),
    ]


@pytest.mark.parametrize("path", ["account/b", "acount/a", "account/a/commits/6"])
def test_what_there_is_not_is_missing(bank: Bank, path: str) -> None:
    with_a_statement(bank)
    assert bank.get(f"/streams/{path}").code == "stream-missing"


def test_the_state_after_each_version_is_that_of_the_rules(bank: Bank) -> None:
    """By every version, so across snapshots and the beginning of an epoch too."""
    with_a_statement(bank)
    for _ in range(25):
        bank.post("/accounts/a/credits", booking("1.00", valueDate="1993-03-02"))
    state, before = account.decider.initial, None
    for one in bank.stream():
        # Nobody's personal data is opened for an operator who looks at a stream.
        state = account.decider.fold(events_in(one, account.codec), state)
        shown = bank.get(f"/streams/account/a/commits/{one.version}").json
        after = account.to_snapshot(state)
        assert (shown["before"], shown["after"]) == (before, after)
        before = after


def test_the_rows_after_the_last_commit_are_the_live_rows(bank: Bank) -> None:
    with_a_statement(bank)
    versions = range(1, len(bank.stream()) + 1)
    rows: dict[tuple[str, str], Any] = {}
    for version in versions:
        for row in bank.get(f"/streams/account/a/commits/{version}").json["rows"]:
            assert rows.get((row["view"], row["key"])) == row["before"]
            rows[row["view"], row["key"]] = row["after"]
    views = [v for v in DOMAIN.views.values() if v.order == "partitioned"]
    live = {
        (view.name, key): stored.row
        for view in views
        for key, stored in bank.rows[view.name].load([k for n, k in rows if n == view.name]).items()
    }
    assert {name for name, _ in rows} == {"balances", "ranking", "bookings", "statements"}
    assert rows == {key: row and without_owner(row) for key, row in live.items()}


def without_owner(row: dict[str, Any]) -> dict[str, Any]:
    """The row as it is shown to an operator: nobody's personal data is opened."""
    return row | {"owner": "erased"} if "owner" in row else row


def test_a_block_shows_its_hashes_and_whether_they_are_right(bank: Bank) -> None:
    with_a_statement(bank)
    bank.token = house_token()
    blocks = [bank.get(f"/blocks/{position}").json for position in range(5)]
    assert all(b["firstPosition"] <= p < b["nextPosition"] for p, b in enumerate(blocks))
    assert all(block["proved"] for block in blocks)
    assert blocks[-1]["hash"] == bank.log.head().hash
    assert {"stream": "main/account-a", "version": 5} in blocks[-1]["commits"]
    assert bank.get("/blocks/5").code == "no-such-position"
    stored = bank.log.head()
    block = next(bank.log.blocks(4))
    bank.log._links[block.first_position] = block._replace(previous_hash="0" * 64)
    assert bank.get("/blocks/4").json["proved"] is False
    assert bank.log.head() == stored


def test_readers_say_how_far_they_are(bank: Bank) -> None:
    with_a_statement(bank)
    bank.token = house_token()
    shown = bank.get("/readers").json
    assert shown["nextPosition"] == 5
    assert (shown["unpublished"], shown["sweeper"]) == (5, None)
    by_name = {reader["name"]: reader for reader in shown["items"]}
    assert set(by_name) == {*DOMAIN.views, *DOMAIN.policies}
    assert by_name["balances"] == {
        "name": "balances",
        "kind": "view",
        "fed": "bus",
        "order": "partitioned",
        "store": "documents",
        "behind": 0,
        "waits": 0.0,
        "parked": 0,
    }
    bank.clock.forward(seconds=90)
    bank.post("/accounts/a/credits", booking("1.00", valueDate="1993-03-02"))
    stored, _ = bank.events.scan(0, 1, None, 100)
    list(Sequencer(bank.events, bank.log, still, lambda _: None).sequence(dict(sorted(stored))))
    bank.clock.forward(seconds=10)
    late = {r["name"]: (r["behind"], r["waits"]) for r in bank.get("/readers").json["items"]}
    assert (late["balances"], late["totals"]) == ((1, 10.0), (1, 10.0))


def test_relay_and_sweeper_are_seen_at_a_glance(bank: Bank) -> None:
    with_a_statement(bank)
    bank.token = house_token()
    assert bank.checkpoints.move(MARK, 0, -1, 2)
    bank.checkpoints.write_note(
        "sweeper", '{"began": 1767225600, "part": 3, "pages": 7, "whole": 9}'
    )
    shown = bank.get("/readers").json
    assert shown["unpublished"] == 2
    assert shown["sweeper"] == {
        "began": "2026-01-01T00:00:00.000Z",
        "part": 3,
        "parts": 8,
        "pages": 7,
        "pagesBefore": 9,
    }
    assert bank.checkpoints.move(MARK, 0, 2, 4)
    assert bank.get("/readers").json["unpublished"] == 0


def fails(view: View, on: str = "") -> View:
    """The view, which fails on every event of the stream, or of every stream."""

    def fold(row: Row | None, recorded: Recorded, key: str) -> Row | None:
        if on in recorded.aggregate_id:
            raise ValueError("planted")
        return view.fold(row, recorded, key)

    return replace(view, fold=fold, personal=False)


def test_a_parked_stream_is_shown_and_redriven_by_the_function_of_its_reader(bank: Bank) -> None:
    bank.open()
    services = process.services()
    services.views = {**DOMAIN.views, "balances": fails(DOMAIN.views["balances"])}
    bank.settle()
    bank.token = house_token()
    (shown,) = bank.get("/readers/balances/parked").json["items"]
    assert (shown["stream"], shown["first"], shown["version"]) == ("main/account-a", 0, 1)
    assert shown["failedOn"] == "main/account-a"
    assert shown["reason"] == "ValueError: planted"
    services.waker = heard = Heard()
    assert bank.post("/readers/balances/redrive", {}).json == {"reader": "balances", "asked": 1}
    assert heard.wakes == [("balances", {"main/account-a": 0})]
    redrive("balances", heard.wakes[0][1], Context())
    assert bank.get("/readers/balances/parked").json["total"] == 1, "it fails again"
    services.views = DOMAIN.views
    redrive("balances", heard.wakes[0][1], Context())
    assert bank.get("/readers/balances/parked").json["total"] == 0
    bank.token = token()
    assert bank.get("/accounts/a").status == 200


def test_a_tenant_that_an_ordered_view_has_parked_is_shown_and_others_have_their_totals(
    bank: Bank,
) -> None:
    for tenant in ("main", "other"):
        bank.token = token(tenant)
        bank.open()
    services = process.services()
    services.views = {**DOMAIN.views, "totals": fails(DOMAIN.views["totals"], "main/account-a")}
    bank.settle()
    assert bank.get("/totals").json["items"][0]["accounts"] == 1
    bank.token = token()
    assert bank.get("/totals").json["items"] == []
    assert bank.get("/totals?account=a&minVersion=1").code == "view-parked"
    bank.token = house_token()
    (shown,) = bank.get("/readers/totals/parked").json["items"]
    assert (shown["stream"], shown["failedOn"], shown["version"]) == ("main/", "main/account-a", 1)
    services.waker = heard = Heard()
    assert bank.post("/readers/totals/redrive", {"streams": ["main/"]}).json["asked"] == 1
    services.views = DOMAIN.views
    redrive("totals", heard.wakes[0][1], Context())
    assert bank.get("/totals").json["items"][0]["accounts"] == 1


def test_an_answer_shows_only_so_many_parked_streams_and_counts_all(bank: Bank) -> None:
    """It has to fit an answer, however many a faulty release has parked."""
    bank.open()
    bank.settle()
    for number in range(PARKED_SHOWN + 1):
        bank.parking.park("balances", f"main/account-{number}", ParkedStream(0, 0, "planted"))
    bank.token = house_token()
    parked = bank.get("/readers/balances/parked").json
    assert (len(parked["items"]), parked["total"]) == (PARKED_SHOWN, PARKED_SHOWN + 1)


def test_only_chosen_parked_streams_are_redriven(bank: Bank) -> None:
    for key in "ab":
        bank.parking.park("balances", f"main/account-{key}", ParkedStream(0, 0, "planted"))
    services = process.services()
    services.waker = heard = Heard()
    chosen = {"streams": ["main/account-b", "main/account-c"]}
    assert bank.post("/readers/balances/redrive", chosen).json["asked"] == 1
    (acted,) = bank.events.range("main/audit-operators-2026-01", 1, 9)
    assert acted.events[0].body == {"action": "redrive", "what": ["balances", "main/account-b"]}
    assert (acted.actor, acted.authority) == ("ada", "operate")
    assert heard.wakes == [("balances", {"main/account-b": 0})]
    assert bank.post("/readers/totals/redrive", {}).json["asked"] == 0
    assert len(heard.wakes) == 1


@pytest.mark.parametrize(("method", "rest"), [("get", "parked"), ("post", "redrive")])
def test_a_reader_that_there_is_not_is_missing(bank: Bank, method: str, rest: str) -> None:
    answer = getattr(bank, method)(f"/readers/nobody/{rest}", *[{}] * (method == "post"))
    assert (answer.status, answer.code) == (404, "reader-missing")


def test_an_operator_of_a_tenant_sees_its_own_streams_and_no_positions(bank: Bank) -> None:
    bank.open("a")
    services = process.services()
    services.views = {**DOMAIN.views, "balances": fails(DOMAIN.views["balances"])}
    bank.token = token("other")
    bank.open("b")
    bank.settle()
    assert bank.get("/streams/account/a").code == "stream-missing"
    assert bank.get("/streams/account/b").json["position"] is None
    parked = bank.get("/readers/balances/parked").json
    assert [one["stream"] for one in parked["items"]] == ["other/account-b"]
    assert (parked["total"], parked["items"][0]["first"]) == (1, None)
    services.waker = heard = Heard()
    everything = {"streams": ["main/account-a", "other/account-b"]}
    assert bank.post("/readers/balances/redrive", everything).json["asked"] == 1
    assert heard.wakes == [("balances", {"other/account-b": 1})]


@pytest.mark.parametrize(
    "path",
    [
        "/readers",
        "/upkeep",
        "/blocks/0",
        "/streams/account/a?tenant=main",
        "/streams/account/a/commits/1?tenant=main",
        "/streams/account/a/commits/1/consequences?tenant=main",
    ],
)
def test_what_shows_all_tenants_is_for_the_house(bank: Bank, path: str) -> None:
    bank.open("a")
    bank.settle()
    bank.token = token("other")
    answer = bank.get(path)
    assert (answer.status, answer.code) == (403, "house-only")
    bank.token = house_token()
    assert bank.get(path).status == 200


def test_an_operator_of_the_house_sees_the_streams_of_every_tenant(bank: Bank) -> None:
    bank.open("a")
    bank.token = house_token("other")
    assert bank.get("/streams/account/a").code == "stream-missing"
    assert bank.get("/streams/account/a?tenant=main").json["stream"] == "main/account-a"
    assert bank.get("/streams/account/a?tenant=Main").parameters == ["tenant"]


def test_each_event_of_a_commit_shows_the_rows_that_it_changed(bank: Bank) -> None:
    bank.open()
    both = [{"direction": way, **booking(amount)} for way, amount in BOTH]
    assert bank.post("/accounts/a/bookings", {"bookings": both}).status == 200
    rows = bank.get("/streams/account/a/commits/2").json["rows"]
    balances = [row for row in rows if row["view"] == "balances"]
    found = [(row["index"], row["before"]["balance"], row["after"]["balance"]) for row in balances]
    assert found == [(0, 0, 700), (1, 700, 200)]
    assert [row["index"] for row in rows if row["view"] == "bookings"] == [0, 1]


def test_a_commit_on_which_a_view_fails_is_shown_with_the_reason(bank: Bank) -> None:
    with_a_statement(bank)
    services = process.services()
    services.views = {**DOMAIN.views, "balances": fails(DOMAIN.views["balances"])}
    shown = bank.get("/streams/account/a/commits/3").json
    assert shown["failures"] == [{"of": "balances", "reason": "ValueError: planted"}]
    assert {row["view"] for row in shown["rows"]} == {"ranking", "bookings"}
    assert shown["after"]["balance"] == 1200


def test_a_stream_is_shown_though_nobody_can_read_an_event_of_it(bank: Bank) -> None:
    bank.open()
    odd = StoredEvent("account-credited", 9, {"sum": "seven"})
    assert bank.events.append(commit("main/account-a", 2)._replace(events=(odd,))) is None
    newest, first = bank.get("/streams/account/a").json["items"]
    (event,) = newest["events"]
    assert (event["name"], event["eventVersion"], event["body"]) == odd[:3]
    assert event["unreadable"].startswith("UnknownEvent: ")
    assert first["events"][0]["unreadable"] is None
    shown = bank.get("/streams/account/a/commits/2").json
    assert (shown["before"], shown["after"], shown["rows"]) == (None, None, [])
    assert [one["of"] for one in shown["failures"]][:2] == ["rules", "balances"]


def test_alarms_and_archiver_are_seen_at_a_glance(bank: Bank) -> None:
    bank.token = house_token()
    assert bank.get("/upkeep").json == {"alarms": [], "archiver": None}
    late = Alarm("RelayLagAlarm", "alarm", "The relay is late.", bank.clock())
    bank.alarm_states.stored += [late, late._replace(name="ApiErrorAlarm", state="ok")]
    bank.checkpoints.write_note("archiver", "main/account-a")
    shown = bank.get("/upkeep").json
    assert [(one["name"], one["state"]) for one in shown["alarms"]] == [
        ("ApiErrorAlarm", "ok"),
        ("RelayLagAlarm", "alarm"),
    ]
    assert (shown["alarms"][1]["says"], shown["alarms"][1]["since"]) == (
        "The relay is late.",
        "2026-01-01T00:00:00.000Z",
    )
    assert shown["archiver"] == {"stream": "main/account-a"}
    bank.checkpoints.write_note("archiver", "")
    assert bank.get("/upkeep").json["archiver"] == {"stream": None}

"""Commands: answers, retries, preconditions and refusals."""

from typing import Any
from urllib.parse import urljoin

import pytest

from chalicelib.leftfold.http.headers import IDEMPOTENCY_KEY
from chalicelib.leftfold.kernel import Commit
from chalicelib.leftfold.kernel.commit import is_traceparent
from chalicelib.leftfold.kernel.uuid7 import uuid7
from chalicelib.leftfold.store.memory import MemoryEvents
from chalicelib.leftfold.store.ports import StreamVersion, Unavailable
from tests.http.conftest import Bank
from tests.http.gateway import DOCUMENT
from tests.http.samples import booking, czk, directed, opening
from tests.issuer import AUDIENCE, SUBJECT


def test_opening_answers_with_id_version_etag_and_location(bank: Bank) -> None:
    answer = bank.post("/accounts", opening(accountId="a-1"))
    assert answer.status == 201
    assert answer.json == {"accountId": "a-1", "version": 1}
    assert answer.headers["ETag"] == '"1"'
    assert answer.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    "base", ["https://x.test", "https://x.test/api", "http://h:1/restapis/i/s/_user_request_"]
)
def test_location_leads_to_the_account_behind_any_prefix(bank: Bank, base: str) -> None:
    opened = bank.post("/accounts", opening(accountId="a"))
    booked = bank.post("/accounts/a/credits", booking())
    there = f"{base}/accounts/a"
    assert urljoin(f"{base}/accounts", opened.headers["Location"]) == there
    assert urljoin(f"{base}/accounts/a/credits", booked.headers["Location"]) == there


def test_every_command_on_an_account_answers_alike(bank: Bank) -> None:
    bank.open()
    answers = [
        bank.post("/accounts/a/credits", booking("1.00")),
        bank.post("/accounts/a/debits", booking("0.50")),
        bank.post("/accounts/a/bookings", {"bookings": [directed("debit", "0.50")]}),
        bank.post("/accounts/a/freeze"),
        bank.post("/accounts/a/unfreeze"),
        bank.post("/accounts/a/close"),
    ]
    assert [a.status for a in answers] == [200] * 6
    assert [a.json for a in answers] == [
        {"accountId": "a", "version": version} for version in range(2, 8)
    ]
    assert [a.headers["ETag"] for a in answers] == [f'"{v}"' for v in range(2, 8)]


def test_many_bookings_are_one_commit(bank: Bank) -> None:
    bank.open()
    many = [directed("credit", "2.00"), directed("debit", "1.00")] * 250
    assert bank.post("/accounts/a/bookings", {"bookings": many}).json["version"] == 2
    assert len(bank.stream()[1].events) == 500


# --- the same command again


@pytest.mark.parametrize("url", ["/accounts/a/credits", "/accounts"])
def test_a_repeated_command_is_answered_the_same_and_written_once(bank: Bank, url: str) -> None:
    bank.open()
    body = opening() if url == "/accounts" else booking()
    first = bank.post(url, body, idempotency_key="k", x_correlation_id="c")
    bank.post("/accounts/a/credits", booking())
    again = bank.post(url, body, idempotency_key="k", x_correlation_id="c")
    assert again == first
    assert bank.written() == 3


def test_a_key_for_another_body_or_route_is_refused(bank: Bank) -> None:
    bank.open()
    bank.post("/accounts/a/credits", booking("1.00"), idempotency_key="k")
    other_body = bank.post("/accounts/a/credits", booking("2.00"), idempotency_key="k")
    other_route = bank.post("/accounts/a/debits", booking("1.00"), idempotency_key="k")
    assert [other_body.code, other_route.code] == ["key-reused"] * 2
    assert other_body.status == 422
    assert bank.written() == 2


def test_the_order_of_members_makes_no_other_body(bank: Bank) -> None:
    bank.open()
    forth = bank.post("/accounts/a/credits", booking(), idempotency_key="k")
    backwards = dict(reversed(booking().items()))
    back = bank.post("/accounts/a/credits", backwards, idempotency_key="k")
    assert back.json == forth.json
    assert bank.written() == 2


def test_a_late_retry_with_a_uuidv7_is_recognised(bank: Bank) -> None:
    bank.open()
    key = uuid7(bank.clock.milliseconds, b"0123456789")
    first = bank.post("/accounts/a/credits", booking(), idempotency_key=key)
    for _ in range(150):
        bank.clock.forward(seconds=1)
        bank.post("/accounts/a/credits", booking("1.00"))
    again = bank.post("/accounts/a/credits", booking(), idempotency_key=key)
    assert again.json == first.json == {"accountId": "a", "version": 2}
    assert bank.written() == 152


def test_a_late_retry_with_a_random_key_is_recognised(bank: Bank) -> None:
    bank.open()
    key = "3f0c8f5e-8b0b-4c58-9d6f-1f6a3f9d2b11"
    first = bank.post("/accounts/a/credits", booking(), idempotency_key=key)
    for _ in range(150):
        bank.clock.forward(minutes=9)
        bank.post("/accounts/a/credits", booking("1.00"))
    again = bank.post("/accounts/a/credits", booking(), idempotency_key=key)
    assert again.json == first.json == {"accountId": "a", "version": 2}
    assert bank.post("/accounts/a/credits", booking("2.00"), idempotency_key=key).status == 422
    assert bank.written() == 152


def test_what_is_promised_of_a_key_is_described() -> None:
    for said in (DOCUMENT["info"]["description"], IDEMPOTENCY_KEY.description):
        assert "24 hours" in said
        assert "UUIDv7" in said


def test_an_id_that_the_server_chooses_depends_on_the_key_alone(bank: Bank) -> None:
    ids = {
        bank.post("/accounts", opening(), idempotency_key=key).json["accountId"]
        for key in ("k1", "k2", "k1")
    }
    assert len(ids) == bank.written() == 2
    other = bank.post("/accounts", opening(owner="Eve"), idempotency_key="k1")
    assert (other.status, other.code) == (422, "key-reused")


def test_an_id_that_the_server_chooses_needs_a_key(bank: Bank) -> None:
    answer = bank.post("/accounts", opening())
    assert (answer.status, answer.code) == (400, "key-required")
    assert answer.json["errors"][0]["header"] == "Idempotency-Key"
    assert bank.written() == 0


class AnswerLost(MemoryEvents):
    """The next append takes effect, and nobody hears of it."""

    lost = False

    def append(self, commit: Commit, unless: StreamVersion | None = None) -> Commit | None:
        holder = super().append(commit, unless)
        if self.lost:
            self.lost = False
            raise Unavailable("time-out")
        return holder


@pytest.mark.parametrize("url", ["/accounts/a/credits", "/accounts"])
def test_a_lost_answer_is_found_again_with_the_same_key(bank: Bank, url: str) -> None:
    events = AnswerLost()
    bank.events = events
    bank.use(events)
    bank.open()
    body = opening() if url == "/accounts" else booking()
    events.lost = True
    lost = bank.post(url, body, idempotency_key="k")
    assert (lost.status, lost.code) == (503, "outcome-unknown")
    assert lost.headers["Retry-After"] == "1"
    assert lost.json["idempotencyKey"] == "k"
    assert bank.post(url, body, idempotency_key="k").status in (200, 201)
    assert bank.written() == 2


@pytest.mark.parametrize(
    ("url", "body"),
    [
        ("/accounts", opening(accountId="b")),
        ("/accounts", opening()),
        ("/accounts/a/credits", booking()),
    ],
    ids=["open with the client's id", "open with the server's id", "booking"],
)
def test_a_retry_is_answered_as_if_no_answer_had_been_lost(url: str, body: Any) -> None:
    def reported(*, lost: bool) -> tuple[int, Any, str, str]:
        events = AnswerLost()
        bank = Bank(events=events)
        bank.open()
        events.lost = lost
        if lost:
            assert bank.post(url, body, idempotency_key="k").code == "outcome-unknown"
        answer = bank.post(url, body, idempotency_key="k")
        assert bank.written() == 2
        return answer.status, answer.json, answer.headers["ETag"], answer.headers["Location"]

    assert reported(lost=True) == reported(lost=False)


def test_a_lost_answer_names_the_key_that_was_made_for_the_command(bank: Bank) -> None:
    events = AnswerLost()
    bank.events = events
    bank.use(events)
    bank.open()
    events.lost = True
    key = bank.post("/accounts/a/credits", booking()).json["idempotencyKey"]
    again = bank.post("/accounts/a/credits", booking(), idempotency_key=key)
    assert again.json["version"] == 2


# --- headers


@pytest.mark.parametrize("value", ["", "a b", "ä", "k" * 129, "a\tb", "a\nb"])
@pytest.mark.parametrize("name", ["Idempotency-Key", "X-Correlation-Id", "If-Match"])
def test_a_header_that_cannot_be_is_refused(bank: Bank, name: str, value: str) -> None:
    bank.open()
    answer = bank.send("POST", "/accounts/a/freeze", headers={name: value})
    assert (answer.status, answer.code) == (400, "invalid-header")
    assert answer.json["errors"][0]["header"] == name
    assert bank.written() == 1


@pytest.mark.parametrize("name", ["idempotency-key", "IDEMPOTENCY-KEY"])
def test_header_names_arrive_in_any_case(bank: Bank, name: str) -> None:
    bank.open()
    for _ in range(2):
        assert bank.send("POST", "/accounts/a/freeze", headers={name: "k"}).status == 200
    assert bank.written() == 2


def test_the_correlation_id_is_echoed_and_kept(bank: Bank) -> None:
    body = opening(accountId="a")
    answer = bank.post("/accounts", body, x_correlation_id="trace-1")
    assert answer.headers["X-Correlation-Id"] == "trace-1"
    assert bank.stream()[0].correlation_id == "trace-1"
    assert bank.stream()[0].actor == SUBJECT


def test_a_correlation_id_is_made_if_none_came(bank: Bank) -> None:
    made = {bank.get("/accounts/a").headers["X-Correlation-Id"] for _ in range(2)}
    assert len(made) == 2


TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_the_trace_of_a_request_is_kept_in_its_commit(bank: Bank) -> None:
    bank.post("/accounts", opening(accountId="a"), traceparent=TRACEPARENT)
    first = bank.stream()[0]
    assert first.traceparent == TRACEPARENT
    assert (first.actor, first.authority) == (SUBJECT, f"commands:{AUDIENCE}")


def test_a_trace_is_made_if_none_came_one_for_each_command(bank: Bank) -> None:
    bank.open()
    bank.post("/accounts/a/freeze")
    made = [commit.traceparent for commit in bank.stream()]
    assert all(map(is_traceparent, made))
    assert len(set(made)) == 2


@pytest.mark.parametrize(
    "wrong", ["", "x", TRACEPARENT.upper(), f"00-{'0' * 32}-b7ad6b7169203331-01", TRACEPARENT + "-"]
)
def test_a_malformed_traceparent_is_refused_and_nothing_is_written(bank: Bank, wrong: str) -> None:
    answer = bank.post("/accounts", opening(accountId="a"), traceparent=wrong)
    assert (answer.status, answer.code) == (400, "invalid-header")
    assert answer.json["errors"][0]["header"] == "traceparent"
    assert bank.stream() == []


@pytest.mark.parametrize("tags", ['"2"', '"9", "2"', '"9","2","x,y"', "*"])
def test_a_command_is_taken_at_an_expected_version(bank: Bank, tags: str) -> None:
    bank.open()
    bank.post("/accounts/a/credits", booking())
    assert bank.post("/accounts/a/freeze", if_match=tags).json["version"] == 3


@pytest.mark.parametrize("tags", ['"1"', '"3"', 'W/"2"', '"02"', '"x"', '""', 'W/"2", "1"'])
def test_a_command_is_refused_at_another_version(bank: Bank, tags: str) -> None:
    bank.open()
    bank.post("/accounts/a/credits", booking())
    answer = bank.post("/accounts/a/freeze", if_match=tags)
    assert (answer.status, answer.code) == (412, "version-mismatch")
    assert answer.json["version"] == 2
    assert bank.written() == 2


@pytest.mark.parametrize("tags", ["2", '"2', '"2" "3"', '"2",', "w/2", '* , "2"', ","])
def test_if_match_that_is_no_list_of_etags_is_refused(bank: Bank, tags: str) -> None:
    bank.open()
    assert bank.post("/accounts/a/freeze", if_match=tags).code == "invalid-header"


def test_a_repeated_command_is_answered_whatever_version_it_expected(bank: Bank) -> None:
    bank.open()
    first = bank.post("/accounts/a/freeze", idempotency_key="k", if_match='"1"')
    again = bank.post("/accounts/a/freeze", idempotency_key="k", if_match='"1"')
    assert first.json == again.json == {"accountId": "a", "version": 2}


def test_a_missing_account_is_missing_whatever_version_is_expected(bank: Bank) -> None:
    answer = bank.post("/accounts/a/freeze", if_match='"1"')
    assert (answer.status, answer.code) == (404, "account-missing")


def test_opening_never_meets_an_account_that_exists(bank: Bank) -> None:
    assert bank.post("/accounts", opening(accountId="a"), if_match="*").status == 412
    assert bank.written() == 0


# --- refusals


def test_a_second_opening_of_an_id_is_refused(bank: Bank) -> None:
    bank.open()
    answer = bank.post("/accounts", opening(accountId="a"))
    assert (answer.status, answer.code) == (409, "account-exists")


@pytest.mark.parametrize(
    ("before", "action", "body", "status", "code"),
    [
        ([], "debits", booking("0.01"), 409, "insufficient-funds"),
        ([], "unfreeze", None, 409, "account-not-frozen"),
        (["freeze"], "credits", booking(), 409, "account-frozen"),
        (["freeze"], "freeze", None, 409, "account-frozen"),
        (["freeze"], "close", None, 409, "account-frozen"),
        (["close"], "credits", booking(), 409, "account-closed"),
        (["close"], "unfreeze", None, 409, "account-closed"),
        (["credits"], "close", None, 409, "account-not-empty"),
    ],
)
def test_what_the_rules_refuse_is_a_problem(
    bank: Bank, before: list[str], action: str, body: Any, status: int, code: str
) -> None:
    bank.open()
    for done in before:
        with_body = booking() if done == "credits" else None
        assert bank.post(f"/accounts/a/{done}", with_body).status == 200
    answer = bank.post(f"/accounts/a/{action}", body)
    assert (answer.status, answer.code) == (status, code)
    assert answer.json["type"] == f"/problems/{code}"
    assert answer.json["status"] == status
    assert bank.written() == 1 + len(before)


@pytest.mark.parametrize("action", ["credits", "debits", "bookings", "freeze", "close"])
def test_an_account_that_was_never_opened_is_missing(bank: Bank, action: str) -> None:
    bodies = {"bookings": {"bookings": [directed("credit", "1.00")]}}
    body = bodies.get(action, booking() if action.endswith("its") else {})
    answer = bank.post(f"/accounts/a/{action}", body)
    assert (answer.status, answer.code) == (404, "account-missing")
    assert bank.written() == 0


def test_a_refusal_tells_its_facts_in_money(bank: Bank) -> None:
    bank.open(limit="10.00")
    bookings = [directed("credit", "5.00"), directed("debit", "15.01")]
    answer = bank.post("/accounts/a/bookings", {"bookings": bookings})
    assert answer.json["booking"] == 1
    assert answer.json["available"] == czk("15.00")


def test_money_stays_in_the_account_s_currency(bank: Bank) -> None:
    bank.open()
    euros = booking() | {"amount": {"amount": "1.00", "currency": "EUR"}}
    answer = bank.post("/accounts/a/credits", euros)
    assert (answer.status, answer.code) == (409, "currency-mismatch")
    assert answer.json["currency"] == "CZK"


def test_the_credit_limit_is_in_the_account_s_currency(bank: Bank) -> None:
    limit = {"amount": "1.00", "currency": "EUR"}
    answer = bank.post("/accounts", opening(accountId="a", creditLimit=limit))
    assert (answer.status, answer.code) == (409, "currency-mismatch")
    assert answer.pointers == ["/creditLimit/currency"]
    assert bank.written() == 0


@pytest.mark.parametrize(
    ("currency", "amount", "least"),
    [("JPY", "700", "1"), ("CZK", "700.00", "0.01"), ("KWD", "700.000", "0.001")],
)
def test_amounts_have_the_decimals_of_their_currency(
    bank: Bank, currency: str, amount: str, least: str
) -> None:
    bank.open(currency=currency)
    for given in ("700", least):
        money = {"amount": given, "currency": currency}
        body = {"amount": money, "valueDate": "1993-01-03"}
        assert bank.post("/accounts/a/credits", body).status == 200
    refused = bank.post("/accounts/a/close")
    bank.settle()
    digits = len(amount) - 4 if "." in amount else 0
    whole = {0: "701", 2: "700.01", 3: "700.001"}[digits]
    assert refused.json["balance"] == {"amount": whole, "currency": currency}
    assert bank.get("/accounts/a").json["balance"]["amount"] == whole

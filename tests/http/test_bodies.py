"""Whatever is sent as a body: a 4xx problem that names the place, and nothing written."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.leftfold.http.body import LARGEST_BODY
from tests.http.conftest import Bank
from tests.http.samples import booking, czk, directed, opening

WRONG_OPENINGS: list[tuple[Any, str]] = [
    (opening(owner=""), "/owner"),
    (opening(owner=" \t "), "/owner"),
    (opening(owner="A\x00B"), "/owner"),
    (opening(owner="A\nB"), "/owner"),
    (opening(owner="A\n"), "/owner"),
    (opening(owner="\x85"), "/owner"),
    (opening(owner="x" * 201), "/owner"),
    (opening(owner=7), "/owner"),
    (opening(owner=True), "/owner"),
    (opening(owner=None), "/owner"),
    (opening(owner=["Ada"]), "/owner"),
    (opening(owner={"name": "Ada"}), "/owner"),
    (opening(currency="czk"), "/currency"),
    (opening(currency="XXX"), "/currency"),
    (opening(currency=["CZK"]), "/currency"),
    (opening(kind="savings"), "/kind"),
    (opening(kind=[]), "/kind"),
    (opening(accountId=""), "/accountId"),
    (opening(accountId="a/b"), "/accountId"),
    (opening(accountId="a\n"), "/accountId"),
    (opening(accountId="ä"), "/accountId"),
    (opening(accountId="a" * 65), "/accountId"),
    (opening(accountId=None), "/accountId"),
    (opening(creditLimit="10.00"), "/creditLimit"),
    (opening(creditLimit=czk("-0.01")), "/creditLimit/amount"),
    (opening(creditLimit={}), "/creditLimit/amount"),
    (opening(extra=1), "/extra"),
    (opening(**{"a/b~c": 1}), "/a~1b~0c"),
    ({"currency": "CZK", "kind": "current"}, "/owner"),
    ([], ""),
    ([opening()], ""),
    ("text", ""),
    (1, ""),
    (True, ""),
    (None, ""),
    ({}, "/owner"),
]

WRONG_AMOUNTS: list[tuple[Any, str]] = [
    (700, ""),
    (700.0, ""),
    ("700.00", ""),
    (True, ""),
    (None, ""),
    ([], ""),
    ({"amount": "1.00"}, "/currency"),
    ({"currency": "CZK"}, "/amount"),
    ({"amount": "1.00", "currency": "CZK", "x": 1}, "/x"),
    (czk("0"), "/amount"),
    (czk("0.00"), "/amount"),
    (czk("-1.00"), "/amount"),
    (czk("-0.00"), "/amount"),
    (czk("1.001"), "/amount"),
    (czk("1.000"), "/amount"),
    (czk("1" + "0" * 30), "/amount"),
    (czk("1" + "0" * 13), "/amount"),
    (czk("1e3"), "/amount"),
    (czk("1e400"), "/amount"),
    (czk("NaN"), "/amount"),
    (czk("Infinity"), "/amount"),
    (czk("+1.00"), "/amount"),
    (czk("1,00"), "/amount"),
    (czk("1."), "/amount"),
    (czk(".5"), "/amount"),
    (czk(" 1.00"), "/amount"),
    (czk("1.00\n"), "/amount"),
    (czk("1_000"), "/amount"),
    (czk("٣.00"), "/amount"),
    (czk(""), "/amount"),
    (czk("1") | {"amount": True}, "/amount"),
    (czk("1") | {"amount": 1}, "/amount"),
    (czk("1") | {"amount": 1.5}, "/amount"),
    ({"amount": "1.5", "currency": "JPY"}, "/amount"),
    ({"amount": "1.2345", "currency": "KWD"}, "/amount"),
    ({"amount": "1.00", "currency": "XAU"}, "/currency"),
    ({"amount": "1.00", "currency": 7}, "/currency"),
]

WRONG_BOOKINGS: list[tuple[Any, str]] = [
    *((booking() | {"amount": amount}, f"/amount{at}") for amount, at in WRONG_AMOUNTS),
    *(
        (booking(valueDate=day), "/valueDate")
        for day in (
            "1993-02-29",
            "19930103",
            "1993-W01-1",
            "1993-1-3",
            "1993-01-03T00:00:00Z",
            "1993-01-03\n",
            "0000-01-01",
            "",
            "yesterday",
            728_000,
            None,
        )
    ),
    (booking(operation=""), "/operation"),
    (booking(purpose="a\x00b"), "/purpose"),
    (booking(purpose=None), "/purpose"),
    (booking(counterpartyBank=5), "/counterpartyBank"),
    (booking(counterpartyAccount="x" * 101), "/counterpartyAccount"),
    (booking(direction="credit"), "/direction"),
    (booking(value_date="1993-01-03"), "/value_date"),
    ({}, "/amount"),
]

WRONG_BATCHES: list[tuple[Any, str]] = [
    ({"bookings": []}, "/bookings"),
    ({"bookings": [directed("credit", "1.00")] * 501}, "/bookings"),
    ({"bookings": {}}, "/bookings"),
    ({"bookings": "many"}, "/bookings"),
    ({"bookings": [1]}, "/bookings/0"),
    ({"bookings": [booking()]}, "/bookings/0/direction"),
    ({"bookings": [directed("deposit", "1.00")]}, "/bookings/0/direction"),
    (
        {"bookings": [directed("credit", "1.00"), directed("debit", "0.001")]},
        "/bookings/1/amount/amount",
    ),
    ({}, "/bookings"),
]


def case_name(case: object) -> str | None:
    return repr(case)[:60] if not isinstance(case, str) else None


@pytest.mark.parametrize(("body", "pointer"), WRONG_OPENINGS, ids=case_name)
def test_a_wrong_opening_is_refused_where_it_is_wrong(bank: Bank, body: Any, pointer: str) -> None:
    raw = json.dumps(body).encode()
    answer = bank.post_bytes("/accounts", raw, idempotency_key="k")
    assert (answer.status, answer.code) == (400, "invalid-body")
    assert pointer in answer.pointers
    assert bank.written() == 0


@pytest.mark.parametrize(("body", "pointer"), WRONG_BOOKINGS, ids=case_name)
@pytest.mark.parametrize("action", ["credits", "debits"])
def test_a_wrong_booking_is_refused_where_it_is_wrong(
    bank: Bank, action: str, body: Any, pointer: str
) -> None:
    bank.open(limit="1000.00")
    answer = bank.post(f"/accounts/a/{action}", body)
    assert (answer.status, answer.code) == (400, "invalid-body")
    assert pointer in answer.pointers
    assert bank.written() == 1


@pytest.mark.parametrize(("body", "pointer"), WRONG_BATCHES, ids=case_name)
def test_a_wrong_batch_is_refused_where_it_is_wrong(bank: Bank, body: Any, pointer: str) -> None:
    bank.open()
    answer = bank.post("/accounts/a/bookings", body)
    assert (answer.status, answer.code) == (400, "invalid-body")
    assert pointer in answer.pointers
    assert bank.written() == 1


@pytest.mark.parametrize(
    ("raw", "pointer"),
    [
        (b"", ""),
        (b"  ", ""),
        (b"{", ""),
        (b"\xef\xbb\xbf{}", ""),
        ('{"owner": "Ada"}'.encode("utf-16"), ""),
        (b"[" * 100_000, ""),
        (b'{"owner":' * 50_000, ""),
        (b'{"owner": ' + b"[" * 500 + b"]" * 500 + b"}", "/owner" + "/0" * 19),
        (b'{"owner": NaN}', "/owner"),
        (b'{"owner": Infinity}', "/owner"),
        (b'{"owner": -Infinity}', "/owner"),
        (b'{"owner": 1e400}', "/owner"),
        (b'{"creditLimit": {"amount": 1e400}}', "/creditLimit/amount"),
        (b'{"owner": 1' + b"0" * 30 + b"}", "/owner"),
        (b'{"owner": 1' + b"0" * 10_000 + b"}", "/owner"),
        (b'{"owner": "Ada", "owner": "Eve"}', "/owner"),
        (b'{"creditLimit": {"amount": "1", "amount": "2"}}', "/creditLimit/amount"),
        (b'{"owner": "\\ud800"}', "/owner"),
        (b'{"owner": "\xff"}', "/owner"),
        (b'{"\\ud800": 1}', ""),
        (b'{"owner": "\x01"}', ""),
        (b"{'owner': 'Ada'}", ""),
        (b'{"owner": "Ada",}', ""),
        (b'{"owner": "Ada"} {}', ""),
        (b"<owner>Ada</owner>", ""),
    ],
    ids=case_name,
)
def test_what_is_not_plain_json_is_refused(bank: Bank, raw: bytes, pointer: str) -> None:
    answer = bank.post_bytes("/accounts", raw, idempotency_key="k")
    assert (answer.status, answer.code) == (400, "malformed-body")
    assert pointer in answer.pointers
    assert bank.written() == 0


def test_bytes_that_are_not_utf_8_are_refused(bank: Bank) -> None:
    headers = {"Content-Type": "application/json"}
    answer = bank.send("POST", "/accounts", b'{"owner": "\xff"}', headers, as_base64=True)
    assert (answer.status, answer.code, answer.pointers) == (400, "malformed-body", [""])


@pytest.mark.parametrize("size", [LARGEST_BODY + 1, 10**6])
def test_a_large_body_is_refused_unread(bank: Bank, size: int) -> None:
    padded = json.dumps(opening(accountId="a")).encode().ljust(size)
    answer = bank.post_bytes("/accounts", padded)
    assert (answer.status, answer.code, answer.pointers) == (413, "body-too-large", [""])
    assert bank.written() == 0


def test_more_bookings_than_one_commit_can_hold_are_refused(bank: Bank) -> None:
    bank.open()
    short = dict.fromkeys(("operation", "counterpartyBank", "counterpartyAccount"), "x" * 100)
    long = directed("credit", "1.00", purpose="p" * 500, **short)
    answer = bank.post("/accounts/a/bookings", {"bookings": [long] * 500})
    assert (answer.status, answer.code) == (413, "commit-too-large")
    assert bank.written() == 1


@pytest.mark.parametrize(
    "media_type",
    [
        None,
        "",
        "text/plain",
        "application/xml",
        "application/problem+json",
        "application/json; charset=utf-16",
        "application/octet-stream",
    ],
)
def test_only_json_is_taken(bank: Bank, media_type: str | None) -> None:
    raw = json.dumps(opening(accountId="a")).encode()
    answer = bank.post_bytes("/accounts", raw, media_type)
    assert (answer.status, answer.code) == (415, "unsupported-media-type")
    wanted = {"header": "Content-Type", "detail": "must be application/json"}
    assert answer.json["errors"] == [wanted]
    assert bank.written() == 0


@pytest.mark.parametrize("media_type", ["Application/JSON", 'application/json; charset="UTF-8"'])
def test_json_is_known_however_it_is_spelled(bank: Bank, media_type: str) -> None:
    raw = json.dumps(opening(accountId="a")).encode()
    assert bank.post_bytes("/accounts", raw, media_type).status == 201


@pytest.mark.parametrize("action", ["freeze", "close"])
def test_a_command_without_fields_takes_no_body_or_an_empty_one(bank: Bank, action: str) -> None:
    for key, body in (("a", None), ("b", {})):
        bank.open(key)
        assert bank.post(f"/accounts/{key}/{action}", body).status == 200


@pytest.mark.parametrize(
    ("body", "pointer"), [({"why": "x"}, "/why"), ([], ""), (None, ""), (0, "")]
)
def test_a_command_without_fields_takes_nothing_else(bank: Bank, body: Any, pointer: str) -> None:
    bank.open()
    answer = bank.post_bytes("/accounts/a/freeze", json.dumps(body).encode())
    assert (answer.status, answer.code) == (400, "invalid-body")
    assert answer.pointers == [pointer]
    assert bank.written() == 1


def test_an_answer_shows_only_the_first_errors(bank: Bank) -> None:
    bank.open()
    answer = bank.post("/accounts/a/bookings", {"bookings": [1] * 500})
    assert len(answer.pointers) == 20


def test_text_is_kept_as_it_was_sent(bank: Bank) -> None:
    owner = " Žofie  Nováková 🏦 "
    assert bank.post("/accounts", opening(accountId="a", owner=owner)).status == 201
    bank.settle()
    answer = bank.get("/accounts/a")
    assert answer.json["owner"] == owner
    assert owner in answer.text


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
json_values = st.recursive(
    scalars,
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
names = st.sampled_from(
    ["owner", "currency", "kind", "creditLimit", "amount", "valueDate", "bookings"]
)
near_misses = st.dictionaries(names, json_values | st.sampled_from([czk("1"), "CZK"]))
anything = settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
ACTIONS = ["credits", "debits", "bookings", "freeze", "unfreeze", "close"]
commands = st.sampled_from(["/accounts", *(f"/accounts/a/{each}" for each in ACTIONS)])


@pytest.mark.slow
@anything
@given(url=commands, body=json_values | near_misses)
def test_no_json_value_is_our_fault(bank: Bank, url: str, body: Any) -> None:
    raw = json.dumps(body).encode()
    assert 400 <= bank.post_bytes(url, raw, idempotency_key="k").status < 500


@anything
@given(url=commands, raw=st.binary() | st.text().map(str.encode), as_base64=st.booleans())
def test_no_bytes_are_our_fault(bank: Bank, url: str, raw: bytes, *, as_base64: bool) -> None:
    headers = {"Content-Type": "application/json", "Idempotency-Key": "k"}
    answer = bank.send("POST", url, raw, headers, as_base64=as_base64)
    assert 400 <= answer.status < 500

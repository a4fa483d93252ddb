"""Attacks on what is behind the token: ids, queries, headers, and the things of another tenant."""

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest

from chalicelib.leftfold.archive.archiver import Archiver
from chalicelib.leftfold.archive.events import ArchivedEvents
from chalicelib.leftfold.store.memory import MemoryArchive, MemoryEvents
from chalicelib.leftfold.wiring import process
from tests.access.attacks import changed
from tests.http.conftest import Bank
from tests.http.gateway import Answer
from tests.http.samples import booking, czk, opening
from tests.http.test_access import Asks, Untouchable, refused
from tests.http.test_ledgers import entry
from tests.issuer import token

# Ids that try to be part of another key, or to be taken for another id.
IDS = [
    *(
        "../main",
        "..",
        ".",
        "a/b",
        "main/account-a",
        "a#b",
        "a%2Fb",
        "a%00b",
        "a\x00b",
        "a\nb",
        " a",
    ),
    *(
        "\u0430",
        "\uff41",
        "a\u0301",
        "a\u200b",
        "a\u202eb",
        "*",
        "a*",
        "a?b",
        "a&b=c",
        "a;b",
        "a:b",
    ),
    *("a'--", '"a"', "{a}", "${a}", "a\\b", "a" * 65, "a" * 2048),
]


@pytest.fixture
def untouched(bank: Bank) -> Bank:
    """The bank over storage that must not be asked for anything of an aggregate."""
    services = process.services()
    for part in ("events", "log", "handler", "checkpoints", "parking", "freshness", "effects"):
        services.__dict__[part] = Untouchable()
    services.__dict__["rows"] = lambda _view: Untouchable()
    return bank


@pytest.mark.parametrize("key", IDS, ids=lambda key: quote(key[:12], safe=""))
def test_an_id_in_a_path_is_an_id_or_nothing(untouched: Bank, key: str) -> None:
    path = quote(key, safe="")
    for answer in (
        untouched.get(f"/accounts/{path}"),
        untouched.get(f"/accounts/{path}/events"),
        untouched.post(f"/accounts/{path}/credits", booking()),
        untouched.get(f"/transfers/{path}/trace"),
        untouched.get(f"/ledgers/{path}"),
        untouched.get(f"/live/accounts/{path}"),
    ):
        assert answer.status == 404


@pytest.mark.parametrize("key", ["", *IDS], ids=lambda key: quote(key[:12], safe=""))
def test_an_id_in_a_body_is_an_id_or_nothing(untouched: Bank, key: str) -> None:
    order = {"transferId": "t", "source": "a", "target": "b", "amount": czk("7.00")}
    ledger = {"name": "L", "firstYear": 2025, "retainedEarnings": "Equity:R"}
    for path, body in (
        ("/accounts", opening(accountId=key)),
        ("/transfers", {**order, "valueDate": "2026-01-01", "transferId": key}),
        ("/transfers", {**order, "valueDate": "2026-01-01", "source": key}),
        ("/transfers", {**order, "valueDate": "2026-01-01", "target": key}),
        ("/ledgers", {**ledger, "ledgerId": key}),
    ):
        assert refused(untouched.post(path, body)) == (400, "invalid-body")


# --- another tenant's


@pytest.fixture
def two(bank: Bank) -> Bank:
    """A bank in which main has all kinds of things; the caller is of another tenant."""
    for key in "ab":
        bank.open(key)
    bank.post("/accounts/a/credits", booking("7.00", purpose="rent"), idempotency_key="k")
    order = {"transferId": "t", "source": "a", "target": "b", "amount": czk("1.00")}
    bank.post("/transfers", {**order, "valueDate": "2026-01-01"})
    bank.post("/accounts/a/statements", {"through": "2025-12-31"})
    books = {"ledgerId": "l", "name": "L", "firstYear": 2025, "retainedEarnings": "Equity:R"}
    bank.post("/ledgers", books)
    bank.act()
    bank.token = token("other")
    return bank


@pytest.mark.parametrize(
    "ask",
    [
        lambda bank: bank.get("/transfers/t"),
        lambda bank: bank.get("/transfers/t/trace"),
        lambda bank: bank.post("/transfers/t/cancel"),
        lambda bank: bank.get("/accounts/a/statements/1"),
        lambda bank: bank.get("/ledgers/l"),
        lambda bank: bank.get("/ledgers/l/entries?journal=0"),
        lambda bank: bank.get("/ledgers/l/entries/0-1"),
        lambda bank: bank.get("/ledgers/l/trial-balance?asOf=2025-12-31"),
        lambda bank: bank.get("/ledgers/l/postings?account=A&from=2025-01-01&to=2025-12-31"),
        lambda bank: bank.post("/ledgers/l/entries", entry("2025-05-01")),
        lambda bank: bank.post("/ledgers/l/years/2025/close"),
        lambda bank: bank.get("/live/accounts/a"),
        lambda bank: bank.get("/live/transfers/t"),
        lambda bank: bank.get("/streams/account/a"),
        lambda bank: bank.get("/streams/account/a/commits/1"),
        lambda bank: bank.get("/subjects/account:a/data"),
    ],
)
def test_what_another_tenant_has_does_not_exist(two: Bank, ask: Asks) -> None:
    before = two.written()
    assert ask(two).status == 404
    assert two.written() == before


def test_money_does_not_come_from_another_tenant_or_go_there(two: Bank) -> None:
    two.open("mine")
    for key, ends in (("in", ("a", "mine")), ("out", ("mine", "a"))):
        order = {"transferId": key, "source": ends[0], "target": ends[1], "amount": czk("1.00")}
        two.post("/transfers", {**order, "valueDate": "2026-01-01"})
    two.act()
    for key in ("in", "out"):
        assert two.get(f"/transfers/{key}").json["state"] in ("rejected", "refused")
    two.token = token()
    assert two.get("/accounts/a").json["balance"] == czk("6.00")


def test_the_feed_has_nothing_of_another_tenant_and_takes_no_cursor_of_theirs(two: Bank) -> None:
    assert two.get("/log").json["items"] == []
    two.token = token()
    theirs = two.get("/log?limit=1").json
    assert len(theirs["items"]) == 1
    two.token = token("other")
    assert two.get(f"/log?after={theirs['next']}").code == "bad-cursor"


@pytest.mark.parametrize(
    "words",
    [
        *(
            "*",
            "rent",
            "tenant:main",
            "rent OR tenant:main",
            "*:*",
            '{"match_all":{}}',
            "_exists_:key",
        ),
        *("+rent -x", "ren*", "/r.*/", 'rent" OR "1"="1', "rent) || (*", "\\u002a", "[a TO z]"),
    ],
)
def test_a_search_has_no_syntax_by_which_it_finds_more(two: Bank, words: str) -> None:
    asked = quote(words, safe="")
    for url in (
        f"/bookings?q={asked}",
        f"/bookings?account={asked}",
        f"/accounts?owner={asked}",
        f"/accounts?sort={asked}",
        f"/transfers?state={asked}",
        f"/live/bookings?q={asked}",
    ):
        answer = two.get(url)
        assert answer.status == 400 or answer.json["items"] == []
    assert two.get(f"/bookings?tenant=main&q={asked}").status == 400


# --- headers

BREAKS = ["a\r\nSet-Cookie: a=b", "a\nX-Evil: 1", "a\r", "a\x00b", "\u2028", "a" * 8_000]
Sends = Callable[[Bank, str], Answer]


@pytest.mark.parametrize("value", BREAKS, ids=lambda value: quote(value[:12], safe=""))
@pytest.mark.parametrize("name", ["idempotency_key", "if_match", "traceparent"])
def test_a_header_that_breaks_lines_is_refused(bank: Bank, name: str, value: str) -> None:
    bank.open()
    before = bank.written()
    answer = bank.post("/accounts/a/credits", booking(), **{name: value})
    assert refused(answer) == (400, "invalid-header")
    assert bank.written() == before
    assert not broken(answer)


@pytest.mark.parametrize("value", BREAKS, ids=lambda value: quote(value[:12], safe=""))
@pytest.mark.parametrize("name", ["x_correlation_id", "origin", "if_none_match", "accept"])
def test_no_header_of_a_request_gets_into_those_of_the_answer(
    bank: Bank, name: str, value: str
) -> None:
    for answer in (
        bank.get("/accounts/a", **{name: value}),
        bank.get("/health", **{name: value}),
    ):
        assert not broken(answer)


def broken(answer: Answer) -> list[Any]:
    """Headers that have more than one line, or what an attacker has sent."""
    return [
        (name, value)
        for name, value in answer.headers.items()
        if set(f"{name}{value}") & set("\r\n\x00\u2028") or "aaaa" in str(value)
    ]


def test_an_archived_history_is_there_for_its_tenant_alone(bank: Bank) -> None:
    archive, table = MemoryArchive(), bank.events
    assert isinstance(table, MemoryEvents)
    bank.use(ArchivedEvents(table, archive))
    bank.open()
    bank.post("/accounts/a/credits", booking("7.00"))
    bank.post("/accounts/a/statements", {"through": "2025-12-31"})
    bank.settle()
    archiver = Archiver(table, bank.log, archive, bank.clock, timedelta(0))
    (candidate,) = archiver.candidates()
    bank.clock.now += timedelta(days=1)
    assert list(archiver.run(*candidate, bank.clock()))
    paths = ("/accounts/a/events", "/accounts/a/statements/1", "/streams/account/a/commits/2")
    for tenant, status in (("main", 200), ("other", 404)):
        bank.token = token(tenant)
        for path in paths:
            assert bank.get(path).status == status, path
    bank.token = token()
    events = bank.get("/accounts/a/events").json["items"]
    assert [event["version"] for event in events][:2] == [1, 2]
    assert table.range("main/account-a", 2, 2) == []


# --- what is not where it belongs: tokens, methods, paths, scopes


@pytest.mark.parametrize(
    "name",
    [
        *("cookie", "proxy_authorization", "x_authorization", "x_access_token", "x_api_key"),
        *("x_amz_security_token", "x_amzn_oidc_data", "x_forwarded_access_token", "sec_token"),
    ],
)
def test_a_token_in_another_header_opens_nothing(untouched: Bank, name: str) -> None:
    untouched.token = None
    for value in (token(), f"Bearer {token()}", f"access_token={token()}"):
        answer = untouched.get("/accounts/a", **{name: value})
        assert refused(answer) == (401, "token-missing")


def test_a_token_in_address_or_body_opens_nothing(untouched: Bank) -> None:
    untouched.token = None
    form = f"access_token={token()}".encode()
    for answer in (
        untouched.get(f"/accounts/a?access_token={token()}"),
        untouched.get(f"/accounts/a?authorization=Bearer%20{token()}"),
        untouched.post_bytes("/accounts/a/freeze", form, "application/x-www-form-urlencoded"),
        untouched.post("/accounts", opening(accountId="a", access_token=token())),
    ):
        assert refused(answer) == (401, "token-missing")


CLAIMS = {
    "x_tenant_id": "main",
    "x_tenant": "main",
    "tenant": "main",
    "x_scope": "leftfold/operate leftfold/house",
    "x_forwarded_user": "ada",
    "x_amzn_oidc_identity": "ada",
    "x_http_method_override": "POST",
    "x_method_override": "POST",
    "x_original_url": "/accounts/a",
    "x_rewrite_url": "/accounts/a",
    "x_original_uri": "/health",
    "x_forwarded_prefix": "/health",
    "x_forwarded_host": "attacker.test",
    "forwarded": "host=attacker.test",
}


def test_no_header_names_a_tenant_a_method_or_a_path(two: Bank) -> None:
    before = two.written()
    plain, list_of = two.get("/accounts/a"), two.get("/accounts")
    for name, value in CLAIMS.items():
        claimed: dict[str, Any] = {name: value}
        assert (two.get("/accounts/a", **claimed).status, plain.status) == (404, 404)
        assert two.get("/accounts", **claimed).json == list_of.json
        assert two.post("/accounts/a/freeze", **claimed).status == 404
        assert refused(two.get("/readers", **claimed)) == (403, "house-only")
        assert two.get("/health", **claimed).text == two.get("/health").text
    assert two.written() == before


# Spellings that some proxy, server or framework takes for the account's path, or for an open one.
SPELLINGS = [
    *("//accounts/a", "/accounts//a", "/accounts/a//", "/accounts/a//events", "/./accounts/a"),
    *("/accounts/./a", "/accounts/x/../a", "/health/../accounts/a", "/health/..;/accounts/a"),
    *("/openapi.json/../accounts/a", "/console/../accounts/a", "/console/..%2Faccounts%2Fa"),
    *(
        "/health%2F..%2Faccounts%2Fa",
        "/health;/accounts/a",
        "/accounts;x=health/a",
    ),
    *("/accounts/a;x=1", "/accounts/a;", "/accounts/a%3Bx", "/accounts/a%23", "/accounts/a%3F"),
    *("/ACCOUNTS/a", "/Accounts/a", "/accounts/%2E%2E/a", "/%61ccounts/a", "/%2561ccounts/a"),
    *("/accounts%2Fa", "/accounts%5Ca", "/accounts\\a", "/accounts/a%00", "/accounts/a%0A"),
    *("/accounts/a.json", "/accounts/a%20", "/api/accounts/a", "/live//accounts/a", "/live/a"),
    *(
        "/live/../accounts/a",
        "/live/%2E%2E/accounts/a",
        "/live/live/accounts/a",
        "/live/accounts/A",
    ),
    *("/live/%61ccounts/a", "/live/accounts;/a", "/live/accounts%2Fa", "/live/health", "/live"),
]


@pytest.mark.parametrize("path", SPELLINGS, ids=lambda path: quote(path, safe=""))
def test_no_spelling_of_a_path_gets_round_token_or_tenant(bank: Bank, path: str) -> None:
    bank.open("a")
    bank.settle()
    for bearer, allowed in ((None, (401, 404, 405)), (token("other"), (200, 400, 404, 405))):
        bank.token = bearer
        for method in ("GET", "HEAD", "POST", "OPTIONS"):
            answer = bank.send(method, f"http://api.test{path}")
            assert answer.status in allowed
            assert "Ada" not in answer.text
    assert bank.written() == 1


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "GET", "POST"])
def test_no_method_gets_round_the_token(untouched: Bank, method: str) -> None:
    untouched.token = None
    headers = {"Origin": "https://attacker.test", "Access-Control-Request-Method": "POST"}
    for path in ("/accounts/a", "/accounts/a/freeze", "/live/accounts/a", "/log", "/accounts"):
        for sent in ({}, headers):
            assert untouched.send(method, path, headers=sent).status in (401, 405)


@pytest.mark.parametrize(
    "scope",
    [
        *({"leftfold/queries": True}, [["leftfold/queries"]], [{"a": "leftfold/queries"}], 7, True),
        *("leftfold/queries,leftfold/commands", "leftfold/queries\nleftfold/commands", "*", "%s"),
        *("leftfold/*", "LEFTFOLD/QUERIES", "leftfold/queries\t", "leftfold/quer\u0456es"),
        *("queries", "xleftfold/queries", "leftfold/queriesx", "leftfold/queries/", "house"),
    ],
)
def test_what_only_looks_like_a_scope_is_none(untouched: Bank, scope: Any) -> None:
    untouched.token = changed(scope=scope)
    assert refused(untouched.get("/accounts/a")) == (403, "scope-missing")
    assert refused(untouched.post("/accounts", opening(accountId="a"))) == (403, "scope-missing")
    assert refused(untouched.get("/readers")) == (403, "scope-missing")


@pytest.mark.parametrize(
    "tenant",
    [
        *(["main"], {"main": 1}, True, 0, ["main", "other"], "main/", "main\n", "main\0", "ma in"),
        *("main,other", "main other", "-main", "main-", "m" * 33, "MAIN", "\uff4dain", "..", "%"),
        *("m\u0430in", "main\u200b", "\u202emain", "main#a", "main/account-a", "main:a", "null/"),
    ],
)
def test_what_only_looks_like_a_tenant_is_none(untouched: Bank, tenant: Any) -> None:
    untouched.token = changed(tenant=tenant)
    assert refused(untouched.get("/accounts/a")) == (403, "tenant-missing")
    assert refused(untouched.get("/log")) == (403, "tenant-missing")
    assert refused(untouched.post("/accounts", opening(accountId="a"))) == (403, "tenant-missing")


def test_a_warm_process_tells_nobody_of_the_request_before(
    bank: Bank, caplog: pytest.LogCaptureFixture
) -> None:
    """Loggers that keep what a request added have told the next one's lines of another's."""
    http = logging.getLogger("leftfold.http")
    http.addHandler(caplog.handler)
    bank.open("a")
    bank.post("/accounts/a/debits", booking("7.00"), x_correlation_id="of-main")
    bank.post("/accounts/a/credits", {"amount": "secret"}, x_correlation_id="of-main")
    caplog.clear()
    bank.token = token("other")
    answer = bank.post("/accounts/b/freeze", x_correlation_id="of-other")
    bank.token = None
    stranger = bank.get("/accounts/a")
    http.removeHandler(caplog.handler)
    told = [answer.text, stranger.text, str(answer.headers), str(stranger.headers), caplog.text]
    assert '"code":"account-missing"' in caplog.text
    assert [text for text in told if "of-main" in text or "secret" in text] == []
    assert "of-other" not in stranger.text + str(stranger.headers)


FRAMES = (
    *({"content_length": length} for length in ("0", "5", "-1", "9" * 20)),
    *({"transfer_encoding": coding} for coding in ("chunked", "identity, chunked", "xchunked")),
    {"transfer_encoding": "chunked", "content_length": "5"},
    *({"content_encoding": "gzip"}, {"expect": "100-continue"}, {"range": "bytes=0-1"}),
    {"connection": "upgrade, http2-settings", "upgrade": "h2c"},
)


@pytest.mark.parametrize("frame", FRAMES, ids=str)
def test_what_a_header_says_of_the_frame_hides_no_request_and_makes_no_second_one(
    bank: Bank, frame: dict[str, str]
) -> None:
    """API Gateway has taken the request apart by then: a body is what it hands on."""
    bank.open("a")
    answer = bank.post("/accounts/a/credits", booking("7.00"), **frame)
    assert (answer.status, bank.written()) == (200, 2)
    bank.token = None
    stranger = bank.post("/accounts/a/credits", booking("7.00"), **frame)
    assert (refused(stranger), bank.written()) == ((401, "token-missing"), 2)

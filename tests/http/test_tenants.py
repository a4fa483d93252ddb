"""Tenants: whatever the others do, a tenant's answers are the same as if it were alone."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app import API
from chalicelib.leftfold.http.unserved import leads
from chalicelib.leftfold.store.memory import MemorySecrets
from chalicelib.leftfold.store.tenants import OtherTenantError
from chalicelib.leftfold.wiring import process
from chalicelib.leftfold.wiring.tenants import TenantServices
from tests.http.conftest import Bank
from tests.http.gateway import Answer
from tests.http.samples import booking, czk, directed, opening
from tests.http.test_ledgers import entry
from tests.issuer import token

OURS, OTHERS = "main", "other"
SECRETS = MemorySecrets()
IDS = st.sampled_from(["a", "b", "c"])
AMOUNTS = st.sampled_from(["0.01", "1.00", "7.00", "900.00"])
NOTHING: Mapping[str, Any] = {}
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def order_of(key: str, source: str, target: str, amount: str) -> Mapping[str, Any]:
    """The body of a transfer."""
    return {
        "transferId": key,
        "source": source,
        "target": target,
        "amount": czk(amount),
        "valueDate": "2026-01-01",
        "notify": "b@example.com",
    }


class Step(NamedTuple):
    """A request of a tenant; its key is one that the other tenant may have used as well."""

    tenant: str
    path: str
    body: Mapping[str, Any]
    key: int


# A request of every route that writes. Operators of the other tenant name our streams, too.
WRITTEN: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "open_account": ("/accounts", opening(accountId="a")),
    "account_credits": ("/accounts/a/credits", booking("1.00")),
    "account_debits": ("/accounts/a/debits", booking("1.00")),
    "account_bookings": ("/accounts/a/bookings", {"bookings": [directed("credit", "1.00")]}),
    "account_freeze": ("/accounts/a/freeze", NOTHING),
    "account_unfreeze": ("/accounts/a/unfreeze", NOTHING),
    "account_close": ("/accounts/a/close", NOTHING),
    "account_statements": ("/accounts/a/statements", {"through": "2025-06-30"}),
    "open_transfer": ("/transfers", order_of("a", "a", "b", "1.00")),
    "transfer_cancel": ("/transfers/a/cancel", NOTHING),
    "open_ledger": (
        "/ledgers",
        {"ledgerId": "a", "name": "L", "firstYear": 2025, "retainedEarnings": "Equity:R"},
    ),
    "ledger_accounts": (
        "/ledgers/a/accounts",
        {
            "accounts": [
                {"code": "Assets:Cash", "type": "asset", "currencies": ["USD"]},
                {"code": "Income:Pay", "type": "income", "currencies": ["USD"]},
            ]
        },
    ),
    "ledger_years": ("/ledgers/a/years", {"year": 2026}),
    "close_year": ("/ledgers/a/years/2025/close", NOTHING),
    "post_entry": ("/ledgers/a/entries", entry("2025-05-01")),
    "reverse_entry": (
        "/ledgers/a/entries/0-1/reversal",
        {"date": "2025-06-01", "narration": "mistake"},
    ),
    "redrive_parked": ("/readers/balances/redrive", NOTHING),
    "skip_commit": ("/readers/balances/skips", {"stream": "main/account-a", "why": "broken"}),
    "correct_event": ("/streams/account/a/commits/1/corrections", {"readsAs": [], "why": "wrong"}),
    "decide_repair": (
        "/streams/account/a/commits/1/decisions",
        {"of": "event-0", "approve": True},
    ),
    "erase_subject": ("/subjects/account:a/erasure", {"case": "2026-1"}),
}


def requests() -> st.SearchStrategy[tuple[str, Mapping[str, Any]]]:
    """A path and a body: of accounts, transfers and ledgers, each with its chance to be refused."""
    opened = st.builds(
        lambda key, owner: (
            "/accounts",
            opening(accountId=key, owner=owner, email="a@example.com"),
        ),
        IDS,
        st.sampled_from(["Ada", "Bob"]),
    )
    named = st.just(("/accounts", opening()))
    booked = st.builds(
        lambda key, side, amount: (f"/accounts/{key}/{side}", booking(amount, purpose="rent")),
        IDS,
        st.sampled_from(["credits", "credits", "debits"]),
        AMOUNTS,
    )
    changed = st.builds(
        lambda key, action: (f"/accounts/{key}/{action}", NOTHING),
        IDS,
        st.sampled_from(["freeze", "unfreeze", "close"]),
    )
    stated = st.builds(
        lambda key, month: (f"/accounts/{key}/statements", {"through": f"2025-{month:02}-28"}),
        IDS,
        st.integers(1, 12),
    )
    moved = st.builds(
        lambda *ends_and_amount: ("/transfers", order_of(*ends_and_amount)),
        IDS,
        IDS,
        IDS,
        AMOUNTS,
    )
    kept = st.sampled_from(
        [WRITTEN[name] for name in ("open_ledger", "ledger_accounts", "post_entry")]
    )
    any_of_all = st.sampled_from(list(WRITTEN.values()))
    return st.one_of(
        *(opened, opened, named, booked, booked, changed, stated, moved),
        *(any_of_all, any_of_all, kept),
    )


STEPS = st.lists(
    st.builds(
        lambda tenant, request, key: Step(tenant, request[0], request[1], key),
        st.sampled_from([OURS, OTHERS]),
        requests(),
        st.integers(0, 30),
    ),
    max_size=25,
)
# Every route that reads, with something to read.
ASKED = {
    "show_account": "/accounts/a",
    "rank_accounts": "/accounts?limit=1",
    "list_account_events": "/accounts/a/events?limit=2",
    "list_statements": "/accounts/a/statements?limit=1",
    "show_statement": "/accounts/a/statements/1?limit=1",
    "search_bookings": "/bookings?q=rent&limit=2",
    "show_totals": "/totals",
    "show_transfer": "/transfers/a",
    "search_transfers": "/transfers?limit=1",
    "trace_transfer": "/transfers/a/trace",
    "show_ledger": "/ledgers/a",
    "show_account_sheet": "/ledgers/a/postings?account=Assets:Cash&from=2025-01-01&to=2025-12-31",
    "list_entries": "/ledgers/a/entries?journal=0&limit=1",
    "show_entry": "/ledgers/a/entries/0-1",
    "show_trial_balance": "/ledgers/a/trial-balance?asOf=2025-12-31",
    "show_balance_sheet": "/ledgers/a/balance-sheet?asOf=2025-12-31",
    "show_income_statement": "/ledgers/a/income-statement?year=2025",
    "follow_log": "/log?limit=3",
    "list_parked": "/readers/balances/parked",
    "show_stream": "/streams/account/a",
    "show_commit": "/streams/account/a/commits/1",
    "list_consequences": "/streams/transfer/a/commits/1/consequences",
    "list_repairs": "/streams/account/a/commits/1/repairs",
    "show_erasure": "/subjects/account:a/erasure",
    "show_subject_data": "/subjects/account:a/data",
}
# What operators of the house alone may ask, and what tells nothing of any tenant.
NOBODYS = {"list_readers", "show_upkeep", "show_block", "check_health", "check_up", "describe_api"}


# Kinds of answers whose twins under /live are asked, too: a document, a search, a history.
LIVE = {"show_account", "search_bookings", "show_totals", "list_account_events"}


class Seen(NamedTuple):
    """What a client sees of an answer."""

    status: int
    body: Any
    etag: str | None


def seen(answer: Answer) -> Seen:
    return Seen(answer.status, answer.json, answer.headers.get("ETag"))


def lived(steps: list[Step], *, alone: bool) -> list[Seen]:
    """All answers that our tenant gets in the course of *steps*, and to every question after it.

    *alone* leaves out the steps of the other tenant.
    """
    bank = Bank()
    bank.secrets = SECRETS
    bank.use(bank.events)
    answers = []
    for step in steps:
        if alone and step.tenant != OURS:
            continue
        bank.token = token(step.tenant)
        answer = bank.post(
            step.path,
            step.body,
            idempotency_key=f"key-{step.key}",
            x_correlation_id="c",
            traceparent=TRACE,
        )
        if step.tenant == OURS:
            answers.append(seen(answer))
        bank.act()
    bank.token = token(OURS)
    for name, url in ASKED.items():
        answers += everything(bank, url)
        if name in LIVE:
            answers.append(seen(bank.get(f"/live{url}", x_correlation_id="c")))
    return answers


def everything(bank: Bank, url: str) -> list[Seen]:
    """The answers to a question, page by page.

    A page of the feed ends where the log was looked through, so of its pages only what is in
    them counts, and their cursors hide positions.
    """
    first = bank.get(url, x_correlation_id="c")
    if first.status != 200 or first.json.get("next") is None:
        return [seen(first)]
    if not url.startswith("/log"):
        following = bank.get(f"{url}&cursor={first.json['next']}", x_correlation_id="c")
        return [seen(first), seen(following)]
    items, page = list(first.json["items"]), first.json
    while not page["atEnd"]:
        page = bank.get(f"{url}&after={page['next']}", x_correlation_id="c").json
        items += page["items"]
    return [Seen(200, items, None)]


def test_every_route_that_reads_is_asked() -> None:
    reading = {route.name for route in API.routes if route.method == "GET"}
    assert reading == {*ASKED, *NOBODYS}


def test_every_route_that_writes_is_among_the_steps() -> None:
    routes = {route.name: route.path for route in API.routes if route.method != "GET"}
    assert set(WRITTEN) == set(routes)
    assert all(leads(routes[name], path) for name, (path, _) in WRITTEN.items())


@pytest.mark.slow
@settings(max_examples=20)
@given(steps=STEPS)
def test_every_answer_is_the_same_as_if_the_other_tenant_did_not_exist(steps: list[Step]) -> None:
    assert lived(steps, alone=False) == lived(steps, alone=True)


@pytest.fixture
def services(bank: Bank) -> TenantServices:
    bank.open("a")
    bank.settle()
    return TenantServices(process.services(), OTHERS)


@pytest.mark.parametrize(
    "stream",
    ["main/account-a", "otherwise/account-a", "other", "", "/other/account-a", "*/account-a"],
)
def test_a_route_that_forgets_the_tenant_reaches_nothing(
    services: TenantServices, stream: str
) -> None:
    for reach in (
        lambda: services.events.newest(stream),
        lambda: services.events.range(stream, 1, 9),
        lambda: services.rows("balances").load([stream]),
        lambda: services.wait("balances", stream, 1),
        lambda: services.states.newest(process.services().domain.aggregates["account"], stream),
        lambda: services.states.known(process.services().domain.aggregates["account"], stream),
    ):
        with pytest.raises(OtherTenantError):
            reach()


def test_a_search_that_forgets_the_tenant_finds_none_of_another(services: TenantServices) -> None:
    everything: dict[str, Any] = {"bool": {"filter": []}}
    assert services.rows("ranking").find(everything, [], None, 10).total == 0
    ours = TenantServices(process.services(), OURS)
    assert ours.rows("ranking").find(everything, [], None, 10).total == 1


def test_an_e_mail_and_a_transfer_stay_with_their_tenant(bank: Bank) -> None:
    for tenant in (OURS, OTHERS):
        bank.token = token(tenant)
        bank.open("a")
    bank.post("/accounts/a/credits", booking("7.00"))
    bank.token = token(OURS)
    bank.open("b")
    order = {"transferId": "t", "source": "a", "target": "b", "amount": czk("7.00")}
    bank.post("/transfers", {**order, "valueDate": "2026-01-01"})
    bank.act()
    # Our a has nothing, whatever theirs has.
    assert bank.get("/transfers/t").json["reason"] == "insufficient-funds"
    bank.token = token(OTHERS)
    assert bank.get("/accounts/a").json["balance"] == czk("7.00")
    bank.post("/transfers", {**order, "valueDate": "2026-01-01"})
    bank.act()
    assert bank.get("/transfers/t").json["reason"] == "account-missing"

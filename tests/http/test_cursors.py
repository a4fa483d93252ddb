"""Cursors: a page goes on where the last one ended, and nothing else passes for such a place."""

import base64
import json
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest

from app import API
from chalicelib.domain import DOMAIN
from chalicelib.leftfold.kernel.commit import canonical
from chalicelib.leftfold.projection.search import SearchRows, connect
from chalicelib.leftfold.wiring import process
from tests.application import still
from tests.http.samples import booking, czk
from tests.http.test_ledgers import entry, with_chart
from tests.ledgers import Books

# By the name of its route: a list of several pages, and what its cursors are sealed with.
LISTS: dict[str, tuple[str, list[Any]]] = {
    "rank_accounts": ("/accounts?", ["", {}, {"sort": "-balance"}]),
    "search_bookings": ("/bookings?sort=amount&", ["", {}, {"sort": "amount"}]),
    "search_transfers": ("/transfers?", ["", {}, {"sort": "-requestedAt"}]),
    "list_account_events": ("/accounts/a/events?", ["a", {}, {}]),
    "list_statements": ("/accounts/a/statements?", ["a", {}, {}]),
    "show_statement": ("/accounts/a/statements/2?", ["a", {"number": 2}, {}]),
    "show_subject_data": ("/subjects/account:a/data?", ["", {"id": "account:a"}, {}]),
    "list_entries": ("/ledgers/a/entries?journal=0&", ["a", {}, {"journal": 0}]),
    "show_account_sheet": (
        "/ledgers/a/postings?account=Assets%3ACash&from=2020-01-01&to=2020-12-31&",
        ["a", {}, {"account": "Assets:Cash", "from_": "2020-01-01", "to": "2020-12-31"}],
    ),
}
# Entries whose keys lead to the first of three journals.
KEYS_OF_JOURNAL_0 = (3, 6, 8)
JUNK: list[Any] = [
    None,
    True,
    0,
    -1,
    1.5,
    2**63,
    -(2**63) - 1,
    2**62,
    10**40,
    "",
    "x",
    "x" * 1000,
    "2020-02-30",
    "2019-12-31",
    "0001-01-01",
    [],
    ["x"],
    {},
    {"USD": "1"},
    {"USD": None},
    {"USD": 10**60},
    {"USD": True},
]


@pytest.fixture(
    scope="module",
    params=["memory", pytest.param("opensearch", marks=pytest.mark.engine("opensearch"))],
)
def listed(request: pytest.FixtureRequest) -> Books:
    """Something of everything that comes in pages."""
    books = Books()
    if request.param == "opensearch":
        client = connect(request.getfixturevalue("opensearch"))
        for view in ("ranking", "bookings", "transfers", "traces", "postings"):
            name = f"http-{uuid4()}-{view}"
            books.rows[view] = SearchRows(client, name, DOMAIN.views[view], books.clock, still)
    with_chart(books)
    for number in KEYS_OF_JOURNAL_0:
        body, key = entry(amount=f"{number}.00"), f"entry-{number}"
        made = books.post("/ledgers/a/entries", body, idempotency_key=key)
        assert made.json["entryId"].startswith("0-")
    for key in ("a", "b", "c"):
        books.open(key)
    for through in ("2025-10-31", "2025-11-30", "2025-12-31"):
        for amount in ("1.00", "2.00", "3.00"):
            books.post("/accounts/a/credits", booking(amount))
        books.post("/accounts/a/statements", {"through": through})
    for key in ("t1", "t2", "t3"):
        order = {"source": "a", "target": "b", "amount": czk("1.00"), "valueDate": "2026-01-01"}
        assert books.post("/transfers", {"transferId": key, **order}).status == 202
    books.act()
    return books


def sealed(name: str, after: Any, tenant: str = "main") -> str:
    """A cursor of a list, with any place in it: only the service itself can make one."""
    bound = canonical([name, *LISTS[name][1]])
    return process.services().cursors.close(canonical(after).encode(), [tenant, bound])


def opened(name: str, cursor: str) -> list[Any]:
    """The place in a cursor of a list."""
    bound = canonical([name, *LISTS[name][1]])
    after: list[Any] = json.loads(process.services().cursors.open(cursor, ["main", bound]))
    return after


def first(listed: Books, name: str) -> str:
    """The cursor of a list's first page."""
    answer = listed.get(f"{LISTS[name][0]}limit=1")
    assert answer.status == 200, answer.text
    cursor: str = answer.json["next"]
    return cursor


def test_every_list_is_looked_at() -> None:
    assert {route.name for route in API.routes if "cursor" in route.query.fields} == set(LISTS)


@pytest.mark.parametrize("name", LISTS)
def test_a_cursor_is_sealed_with_tenant_route_path_and_conditions(listed: Books, name: str) -> None:
    cursor = first(listed, name)
    assert cursor == sealed(name, opened(name, cursor))


def pages(listed: Books, name: str, size: int) -> list[list[Any]]:
    """The items of each page of a list, until one says that it is the last."""
    found, url = list[list[Any]](), f"{LISTS[name][0]}limit={size}"
    at = url
    while True:
        answer = listed.get(at)
        assert answer.status == 200, answer.text
        found.append(answer.json["bookings" if name == "show_statement" else "items"])
        if answer.json["next"] is None:
            return found
        at = f"{url}&cursor={answer.json['next']}"


@pytest.mark.parametrize("name", LISTS)
def test_pages_of_any_size_together_are_the_list_and_none_but_the_last_has_room(
    listed: Books, name: str
) -> None:
    (whole,) = pages(listed, name, 100)
    assert len(whole) > 1
    for size in (1, 2, len(whole) - 1, len(whole)):
        cut = [whole[at : at + size] for at in range(0, len(whole), size)]
        assert pages(listed, name, size) == cut, size


@pytest.mark.parametrize("name", LISTS)
def test_a_cursor_that_a_client_made_or_changed_is_refused(listed: Books, name: str) -> None:
    cursor = first(listed, name)
    raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    place = opened(name, cursor)
    made = [
        base64.urlsafe_b64encode(json.dumps(place).encode()).decode().rstrip("="),
        base64.urlsafe_b64encode(json.dumps(["0" * 16, place]).encode()).decode().rstrip("="),
        sealed(name, place, "other"),
        *("x", "AQ", cursor[:-1], cursor + "A", cursor[1:], "\u00e9", "%00", "a" * 2000),
        *(
            base64.urlsafe_b64encode(raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :])
            .decode()
            .rstrip("=")
            for at in range(len(raw))
        ),
    ]
    for text in made:
        answer = listed.get(f"{LISTS[name][0]}cursor={quote(text)}")
        assert (answer.status, answer.code) == (400, "bad-cursor"), text


@pytest.mark.parametrize("name", LISTS)
def test_a_cursor_of_one_list_is_refused_by_every_other(listed: Books, name: str) -> None:
    cursor = first(listed, name)
    for other, (url, _) in LISTS.items():
        answer = listed.get(f"{url}cursor={cursor}")
        assert answer.status == (200 if other == name else 400), other


@pytest.mark.parametrize("name", LISTS)
def test_a_place_that_an_older_version_sealed_is_answered_or_refused_whatever_it_holds(
    listed: Books, name: str
) -> None:
    url = LISTS[name][0]
    after = opened(name, first(listed, name))
    for made in [*JUNK, after[:-1], [*after, "x"], *replaced(after, JUNK)]:
        answer = listed.get(f"{url}cursor={sealed(name, made)}")
        assert answer.status == 200 or answer.code == "bad-cursor", made
        if not alike(made, after):
            assert answer.status == 400, made


def replaced(after: list[Any], by: list[Any]) -> list[list[Any]]:
    """*after* with each of its members replaced by each of *by*."""
    return [
        [*after[:index], junk, *after[index + 1 :]] for index in range(len(after)) for junk in by
    ]


def alike(made: Any, after: list[Any]) -> bool:
    """Whether two places are of the same types. A sheet's page may end with a day, too."""
    return isinstance(made, list) and [
        dict if type(a) is str and type(b) is dict else type(a)
        for a, b in zip(made, after, strict=False)
    ] == [type(b) for b in after]


def test_a_statement_shows_no_booking_of_another(listed: Books) -> None:
    url = LISTS["show_statement"][0]
    version, _index = opened("show_statement", first(listed, "show_statement"))
    for other in (1, 2, version + 3, 10**14):
        made = sealed("show_statement", [other, 0])
        assert listed.get(f"{url}cursor={made}").code == "bad-cursor"

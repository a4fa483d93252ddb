"""Accents make no other word: whoever searches need not type them."""

from urllib.parse import quote
from uuid import uuid4

import pytest

from chalicelib.domain import DOMAIN
from chalicelib.leftfold.kernel import View
from chalicelib.leftfold.projection.indexing import index_of
from chalicelib.leftfold.projection.search import SearchRows, connect
from tests.application import still
from tests.http.conftest import Bank
from tests.http.samples import booking

# One for each field that is searched; the last two letters have their accents after them.
ACCENTED = {
    "operation": "Přeplatek",
    "purpose": "Un café à Größenwahn",
    "counterpartyBank": "CAFE\u0301 Ze\u0301lande",
    "counterpartyAccount": "Účet-7",
}


@pytest.fixture(
    scope="module",
    params=["memory", pytest.param("opensearch", marks=pytest.mark.engine("opensearch"))],
)
def accented(request: pytest.FixtureRequest) -> Bank:
    bank = Bank()
    if request.param == "opensearch":
        client = connect(request.getfixturevalue("opensearch"))
        name = f"http-{uuid4()}-bookings"
        bank.rows["bookings"] = SearchRows(
            client, name, DOMAIN.views["bookings"], bank.clock, still
        )
    bank.open()
    for field, text in ACCENTED.items():
        assert bank.post("/accounts/a/credits", booking(**{field: text})).status == 200
    bank.settle()
    return bank


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("preplatek", 1),
        ("Přeplatek", 1),
        ("PŘEPLATEK", 1),
        ("Pr\u030ceplatek", 1),
        ("cafe", 2),
        ("café", 2),
        ("cafe\u0301", 2),
        ("caf", 0),
        ("grossenwahn", 1),
        ("Größenwahn cafe a", 1),
        ("zelande", 1),
        ("ucet", 1),
        ("účet 7", 1),
    ],
)
def test_a_word_is_found_with_and_without_its_accents(
    accented: Bank, words: str, found: int
) -> None:
    assert accented.get(f"/bookings?q={quote(words)}").json["total"] == found


def test_what_is_shown_keeps_its_accents(accented: Bank) -> None:
    items = accented.get("/bookings").json["items"]
    shown = {field: item[field] for item in items for field in ACCENTED if item[field]}
    assert shown == ACCENTED


@pytest.mark.parametrize("view", [view for view in DOMAIN.views.values() if view.store == "search"])
def test_every_text_of_every_index_is_made_words_of_in_this_way(view: View) -> None:
    index = index_of(view, "alias")
    assert "asciifolding" in index["settings"]["analysis"]["analyzer"]["default"]["filter"]
    fields = index["mappings"]["properties"].values()
    assert not any("analyzer" in field for field in fields)

"""What is said to OpenSearch, to the letter, and what its answers lead to, without an engine."""

from datetime import timedelta
from typing import Any

import pytest

from chalicelib.leftfold.kernel import View
from chalicelib.leftfold.projection.indexing import FIRST_BYTES
from chalicelib.leftfold.projection.rows import NEVER, RowRejectedError, Save, StoredRow
from chalicelib.leftfold.projection.search import (
    BULK_ATTEMPTS,
    LOADED_AT_ONCE,
    SCANNED_AT_ONCE,
    SearchRows,
    drop_indexes,
    indexes_of,
)
from chalicelib.leftfold.store.ports import CallRefusedError, Unavailable
from tests.clock import Clock
from tests.projection.wire import MISSING, Cluster, Request

A, B, C = "main/account-a", "main/account-b", "main/account-c"
VIEW = View(
    "found",
    {},
    lambda _recorded: (),
    lambda _row, _recorded, _key: None,
    store="search",
    fields={"n": "long", "name": "text", "tag": "keyword", "on": "date"},
)
HITS = {"hits": {"hits": [], "total": {"value": 0}}}
CREATED = (200, {"acknowledged": True})


class Searched:
    """A store of rows on a cluster that answers as it is told."""

    def __init__(self) -> None:
        self.cluster = Cluster()
        self.clock = Clock()
        self.pauses: list[int] = []
        self.rows = SearchRows(
            self.cluster.client, "Stack-Found", VIEW, self.clock, self.pauses.append
        )

    def answer(self, *answers: tuple[int, Any]) -> None:
        self.cluster.answers += answers

    @property
    def requests(self) -> list[Request]:
        assert not self.cluster.answers
        return self.cluster.requests


@pytest.fixture
def searched() -> Searched:
    return Searched()


def document(key: str, source: Any, seq_no: int = 3) -> dict[str, Any]:
    found = {"_id": key, "_source": source, "_seq_no": seq_no, "_primary_term": 1, "found": True}
    return {**found, "sort": [key]}


def deleted_at(moment: str) -> dict[str, Any]:
    """The document of a row that was deleted."""
    return {
        "key": C,
        "tenant": "main",
        "position": 9,
        "format": 1,
        "deleted": True,
        "deletedAt": moment,
    }


def bulk(*statuses: int, **error: str) -> tuple[int, Any]:
    """The answer to a bulk request: a status for each row, and why it was not written."""
    error = error or {"type": "rejected_execution_exception", "reason": "busy"}
    items = [
        {"index": {"status": status} | ({"error": error} if status >= 300 else {})}
        for status in statuses
    ]
    return 200, {"items": items}


def test_rows_are_loaded_by_their_keys(searched: Searched) -> None:
    searched.answer(
        (
            200,
            {
                "docs": [
                    document(A, {"key": A, "tenant": "main", "position": 7, "format": 1, "n": 1}),
                    {"_id": B, "found": False},
                    document(C, deleted_at("x"), 4),
                ]
            },
        )
    )
    assert searched.rows.load([A, B, C]) == {
        A: StoredRow({"n": 1}, 7, (3, 1)),
        B: NEVER,
        C: StoredRow(None, 9, (4, 1)),
    }
    assert searched.requests == [Request("POST", "/stack-found/_mget", {"ids": [A, B, C]})]


def test_very_many_rows_are_loaded_by_several_calls(searched: Searched) -> None:
    keys = [f"k{n}" for n in range(2 * LOADED_AT_ONCE + 1)]
    searched.answer(*3 * [(200, {"docs": []})])
    assert searched.rows.load(keys) == dict.fromkeys(keys, NEVER)
    asked = [request.body["ids"] for request in searched.requests]
    assert [len(ids) for ids in asked] == [1_000, 1_000, 1]
    assert [key for ids in asked for key in ids] == keys


def test_a_row_that_cannot_be_loaded_is_not_taken_for_missing(searched: Searched) -> None:
    """Who believes that there is none would count its stream from the beginning."""
    error = {"type": "shard_failed", "reason": "no shard"}
    searched.answer((200, {"docs": [{"_id": A, "error": error}]}))
    with pytest.raises(Unavailable, match="no shard"):
        searched.rows.load([A])


def test_where_there_is_no_index_there_are_no_rows(searched: Searched) -> None:
    searched.answer((404, MISSING), (200, {"docs": [{"_id": A, **MISSING}]}))
    assert searched.rows.load([A]) == {A: NEVER}
    assert searched.rows.load([A]) == {A: NEVER}


def test_a_row_is_written_over_what_was_loaded_and_nothing_else(searched: Searched) -> None:
    searched.answer(bulk(201, 200, 200, 201))
    saves = [
        Save("main/new", {"n": 1}, 4, NEVER),
        Save("main/loaded", {"n": 2}, 5, StoredRow({"n": 1}, 1, (8, 2))),
        Save("other/single", {"n": 3}, 6, None),
        Save("main/gone", None, 7, StoredRow({"n": 1}, 1, (9, 2))),
    ]
    assert searched.rows.save(saves) == set()
    at = searched.clock().isoformat(timespec="milliseconds").replace("+00:00", "Z")
    (request,) = searched.requests
    assert (request.method, request.path) == ("POST", "/stack-found/_bulk")
    # Without its alias OpenSearch would make up an index, and guess a mapping.
    assert request.params["require_alias"] == "true"
    assert request.body == [
        {"create": {"_id": "main/new"}},
        {"key": "main/new", "tenant": "main", "position": 4, "format": 1, "n": 1},
        {"index": {"_id": "main/loaded", "if_seq_no": 8, "if_primary_term": 2}},
        {"key": "main/loaded", "tenant": "main", "position": 5, "format": 1, "n": 2},
        {"index": {"_id": "other/single", "version": 7, "version_type": "external"}},
        {"key": "other/single", "tenant": "other", "position": 6, "format": 1, "n": 3},
        {"index": {"_id": "main/gone", "if_seq_no": 9, "if_primary_term": 2}},
        {
            "key": "main/gone",
            "tenant": "main",
            "position": 7,
            "format": 1,
            "deleted": True,
            "deletedAt": at,
        },
    ]


def test_a_row_that_has_changed_is_a_conflict_if_it_accumulates(searched: Searched) -> None:
    """One that does not is there already, from this commit or from a later one."""
    searched.answer(bulk(409, 409))
    saves = [Save(A, {"n": 1}, 1, NEVER), Save(B, {"n": 1}, 1, None)]
    assert searched.rows.save(saves) == {A}
    assert searched.pauses == []


def test_only_the_rows_that_were_refused_for_load_are_sent_again(searched: Searched) -> None:
    searched.answer(bulk(201, 429, 503), bulk(429, 201), bulk(201))
    saves = [Save(key, {"n": 1}, 1, NEVER) for key in (A, B, C)]
    assert searched.rows.save(saves) == set()
    sent = [[line["key"] for line in request.body[1::2]] for request in searched.requests]
    assert sent == [[A, B, C], [B, C], [B]]
    assert searched.pauses == [1, 2]


@pytest.mark.parametrize("status", [429, 503])
def test_a_cluster_that_stays_busy_is_unavailable(searched: Searched, status: int) -> None:
    searched.answer(*BULK_ATTEMPTS * [(status, {"error": "busy"})])
    with pytest.raises(Unavailable, match="stack-found refused 2 rows"):
        searched.rows.save([Save(A, {}, 1, NEVER), Save(B, {}, 1, NEVER)])
    assert len(searched.requests) == 6
    assert searched.pauses == [1, 2, 3, 4, 5, 6]


def test_a_value_that_its_field_cannot_take_is_the_rows_fault(searched: Searched) -> None:
    said = "failed to parse field [n] of type [long]"
    bad = {"type": "mapper_parsing_exception", "reason": f"{said} in document with id '7'"}
    searched.answer(bulk(400, 201, **bad))
    with pytest.raises(RowRejectedError) as caught:
        searched.rows.save([Save(A, {"n": "x"}, 1, NEVER), Save(B, {"n": 1}, 1, NEVER)])
    assert caught.value.reasons == {A: f"mapper_parsing_exception: {said}"}


def test_any_other_refusal_is_the_indexs_fault(searched: Searched) -> None:
    """Parking a stream for it would park them all."""
    strict = {"type": "strict_dynamic_mapping_exception", "reason": "no field"}
    searched.answer(bulk(400, **strict))
    with pytest.raises(Unavailable, match=r"400: .*strict_dynamic_mapping_exception"):
        searched.rows.save([Save(A, {"n": 1}, 1, NEVER)])


def test_a_field_that_the_view_does_not_declare_is_not_sent(searched: Searched) -> None:
    with pytest.raises(RowRejectedError) as caught:
        searched.rows.save([Save(A, {"m": 1, "n": 1}, 1, NEVER), Save(B, {"n": 1}, 1, NEVER)])
    assert caught.value.reasons == {A: "the view declares no ['m']"}
    assert searched.requests == []


@pytest.mark.parametrize("answer", [(404, MISSING), bulk(404, **MISSING["error"])])
def test_the_first_save_makes_the_index_and_is_sent_again(
    searched: Searched, answer: tuple[int, Any]
) -> None:
    searched.answer(answer, CREATED, bulk(201))
    assert searched.rows.save([Save(A, {"n": 1}, 1, NEVER)]) == set()
    _, made, _ = searched.requests
    assert (made.method, made.path) == ("PUT", "/stack-found-rows")
    assert made.body["aliases"] == {"stack-found": {}}
    exact = {"type": "keyword", "ignore_above": 8_191}
    assert made.body["mappings"] == {
        "dynamic": "strict",
        "properties": {
            "key": {"type": "keyword"},
            "tenant": {"type": "keyword"},
            "position": {"type": "long"},
            "format": {"type": "long"},
            "deleted": {"type": "boolean"},
            "deletedAt": {"type": "date"},
            "n": {"type": "long"},
            "name": {"type": "text", "fields": {"keyword": exact}},
            "tag": exact,
            "on": {"type": "date"},
        },
    }
    (analyzer,) = made.body["settings"]["analysis"]["analyzer"].items()
    assert analyzer == (
        "default",
        {
            "type": "custom",
            "char_filter": ["no_combining_accents"],
            "tokenizer": "standard",
            "filter": ["lowercase", "asciifolding"],
        },
    )
    assert made.body["settings"]["analysis"]["char_filter"] == {
        "no_combining_accents": {
            "type": "pattern_replace",
            "pattern": r"\p{InCombiningDiacriticalMarks}",
            "replacement": "",
        }
    }


def test_the_first_request_of_a_process_is_small_and_later_ones_are_not(
    searched: Searched,
) -> None:
    """Where there is no index yet, all that it has brought is sent again."""
    searched.answer((404, MISSING), CREATED, bulk(201), bulk(201), bulk(201, 201))
    saves = [Save(key, {"name": "x" * (FIRST_BYTES // 2)}, 1, NEVER) for key in (A, B)]
    for _ in range(2):
        assert searched.rows.save(saves) == set()
    sent = [[line["key"] for line in r.body[1::2]] for r in searched.requests if r.method == "POST"]
    assert sent == [[A], [B], [A], [A, B]]


def test_an_index_that_is_there_gets_its_alias_back(searched: Searched) -> None:
    there = {"error": {"type": "resource_already_exists_exception"}, "status": 400}
    searched.answer((404, MISSING), (400, there), CREATED, bulk(201))
    assert searched.rows.save([Save(A, {"n": 1}, 1, NEVER)]) == set()
    made = searched.requests[2]
    assert (made.method, made.path) == ("PUT", "/stack-found-rows/_alias/stack-found")


def test_an_index_that_cannot_be_made_is_told(searched: Searched) -> None:
    refused = {"error": {"type": "illegal_argument_exception"}, "status": 400}
    searched.answer((404, MISSING), (400, refused))
    with pytest.raises(CallRefusedError, match="illegal_argument_exception"):
        searched.rows.save([Save(A, {"n": 1}, 1, NEVER)])
    assert len(searched.requests) == 2


def test_a_search_of_a_tenant_is_filtered_by_it_whatever_the_query_says(searched: Searched) -> None:
    searched.answer((200, {"hits": {"hits": [], "total": {"value": 0}}}))
    searched.rows.find("main", {"term": {"tenant": "other"}}, [], None, 10)
    (request,) = searched.requests
    assert request.body["query"]["bool"]["filter"] == [{"term": {"tenant": "main"}}]


def test_a_search_leaves_out_what_was_deleted_and_ends_its_order_with_the_key(
    searched: Searched,
) -> None:
    """Only with a last word on the order do pages neither repeat a row nor leave one out."""
    hits = [document(A, {"key": A, "tenant": "main", "position": 7, "format": 1, "n": 1})]
    searched.answer((200, {"hits": {"hits": hits, "total": {"value": 12}}}))
    found = searched.rows.find_everywhere({"term": {"n": 1}}, [{"n": "desc"}], [5, "x"], 10)
    assert found == ([{"n": 1, "position": 7, "tenant": "main"}], [[A]], 12)
    assert searched.requests == [
        Request(
            "POST",
            "/stack-found/_search",
            {
                "query": {
                    "bool": {
                        "must": [{"term": {"n": 1}}],
                        "filter": [],
                        "must_not": [{"term": {"deleted": True}}],
                    }
                },
                "sort": [{"n": "desc"}, {"key": "asc"}],
                "size": 10,
                "track_total_hits": True,
                "seq_no_primary_term": True,
                "search_after": [5, "x"],
            },
        )
    ]


def test_the_first_page_comes_after_nothing(searched: Searched) -> None:
    searched.answer((200, HITS), (404, MISSING))
    for _ in range(2):
        assert searched.rows.find_everywhere({"match_all": {}}, [], None, 10) == ([], [], 0)
    assert "search_after" not in searched.requests[0].body


def test_a_scan_goes_on_behind_the_last_row_until_there_is_none(searched: Searched) -> None:
    pages = [[A, B], [C], []]
    searched.answer(
        *(
            (
                200,
                {
                    "hits": {
                        "hits": [
                            document(
                                k, {"key": k, "tenant": "main", "position": 1, "format": 1, "n": 1}
                            )
                            for k in page
                        ]
                    }
                },
            )
            for page in pages
        )
    )
    assert [key for key, _ in searched.rows.scan()] == [A, B, C]
    assert [request.body.get("search_after") for request in searched.requests] == [None, [B], [C]]
    for request in searched.requests:
        # Tombstones, too: whoever compares rows wants to see them.
        assert request.body["query"] == {"match_all": {}}
        assert request.body["sort"] == [{"key": "asc"}]
        assert request.body["size"] == SCANNED_AT_ONCE


def test_a_purge_removes_tombstones_of_before_and_no_row(searched: Searched) -> None:
    searched.answer((200, {"deleted": 3}), (404, MISSING))
    before = searched.clock() - timedelta(days=7)
    assert searched.rows.purge(before) == 3
    assert searched.rows.purge(before) == 0
    at = before.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    old = {"range": {"deletedAt": {"lt": at}}}
    assert searched.requests[0] == Request(
        "POST",
        "/stack-found/_delete_by_query",
        {"query": {"bool": {"filter": [{"term": {"deleted": True}}, old]}}},
        # A row that came back to life meanwhile is left alone.
        {"conflicts": "proceed"},
    )


def test_a_flush_makes_the_rows_visible(searched: Searched) -> None:
    searched.answer((200, {}), (404, MISSING))
    searched.rows.flush()
    searched.rows.flush()
    assert searched.requests[0] == Request("POST", "/stack-found/_refresh")


@pytest.mark.parametrize("status", [500, 502, 504])
def test_a_server_that_fails_is_unavailable(searched: Searched, status: int) -> None:
    searched.answer((status, {"error": "down"}))
    with pytest.raises(Unavailable):
        searched.rows.load([A])


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_mistake_of_ours_is_not_taken_for_an_outage(searched: Searched, status: int) -> None:
    searched.answer((status, {"error": "refused"}))
    with pytest.raises(CallRefusedError, match=str(status)):
        searched.rows.load([A])


def test_an_application_has_the_indexes_of_its_views_and_none_of_another(
    searched: Searched,
) -> None:
    """A generation's name begins with that of the first, and so do its indexes'."""
    client = searched.cluster.client
    found: dict[str, Any] = {"bank-rows": {}, "bank-found-rows": {}, "bank--green-found-rows": {}}
    searched.answer((200, found))
    assert indexes_of(client, "Bank") == ["bank-found-rows", "bank-rows"]
    assert searched.requests == [Request("GET", "/bank-*", None, {"expand_wildcards": "all"})]


def test_the_indexes_of_an_application_are_dropped_one_by_one(searched: Searched) -> None:
    client, dropped = searched.cluster.client, (200, {"acknowledged": True})
    found: dict[str, Any] = {"bank--green-a-rows": {}, "bank--green-b-rows": {}}
    # One that another process has dropped meanwhile is gone as well.
    searched.answer((200, found), (404, MISSING), dropped)
    names = ["bank--green-a-rows", "bank--green-b-rows"]
    assert drop_indexes(client, "bank--green") == names
    assert [(r.method, r.path) for r in searched.requests[1:]] == [
        ("DELETE", f"/{name}") for name in names
    ]

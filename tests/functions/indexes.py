"""OpenSearch in memory, behind its real client: what `SearchRows` says to it, with each request noted.

As in a deployment, a request names its index in its path, and one whose body names an index is refused.
"""

import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any
from unittest.mock import patch

from opensearchpy.connection.http_urllib3 import Urllib3HttpConnection

from chalicelib.leftfold.kernel import View
from chalicelib.leftfold.projection.indexing import BOOKKEEPING
from chalicelib.leftfold.projection.rows import NEVER, ROW_FORMAT, Save, StoredRow
from tests.http.findable import FindableRows
from tests.projection.wire import MISSING, Request, parsed

Json = dict[str, Any]
Answer = tuple[int, Json]
REFUSED = {"error": {"type": "illegal_argument_exception"}}


class Indexes:
    """The indexes of *views*, by alias. *note* is told the method and the path of each request."""

    def __init__(self, views: Mapping[str, View], note: Callable[[str, str], None]) -> None:
        self._views = views
        self._note = note
        self._rows: dict[str, FindableRows] = {}

    def asked(self) -> AbstractContextManager[Any]:
        """While it lasts, every client of OpenSearch asks these indexes, whatever its address is."""

        def perform(
            client: Any, method: str, path: str, params: Any = None, body: Any = None, **_: Any
        ) -> tuple[int, Json, str]:
            status, answer = self(Request(method, path, parsed(body), dict(params or {})))
            if status >= 300:
                client._raise_error(status, json.dumps(answer), "application/json")
            return status, {}, json.dumps(answer)

        return patch.object(Urllib3HttpConnection, "perform_request", perform)

    def __call__(self, request: Request) -> Answer:
        self._note(request.method, request.path)
        match request.method, request.path.removeprefix("/").split("/"):
            case "PUT", [index]:
                (alias,) = request.body["aliases"]
                assert index == f"{alias}-rows"
                self._rows[alias] = FindableRows(self._views[alias])
                return 200, {}
            case "POST", [alias, call] if call in CALLS:
                rows = self._rows.get(alias)
                return (404, MISSING) if rows is None else (200, CALLS[call](rows, request.body))
        return 400, REFUSED


def load(rows: FindableRows, body: Json) -> Json:
    found = rows.load(body["ids"])
    return {"docs": [document(key, stored) for key, stored in found.items()]}


def document(key: str, stored: StoredRow) -> Json:
    """A document as it is stored; that of a deleted row has no fields."""
    if stored == NEVER:
        return {"_id": key, "found": False}
    source = {"key": key, "position": stored.position, "format": ROW_FORMAT}
    source |= {"deleted": True} if stored.row is None else stored.row
    return {
        "_id": key,
        "found": True,
        "_source": source,
        "_seq_no": stored.token,
        "_primary_term": 1,
    }


def bulk(rows: FindableRows, lines: list[Json]) -> Json:
    items = []
    for action, source in zip(lines[::2], lines[1::2], strict=True):
        ((verb, told),) = action.items()
        assert "_index" not in told
        row = {name: value for name, value in source.items() if name not in BOOKKEEPING}
        loaded = NEVER if verb == "create" else None
        if "if_seq_no" in told:
            loaded = StoredRow(row, source["position"], told["if_seq_no"])
        saved = Save(told["_id"], None if "deleted" in source else row, source["position"], loaded)
        items.append({verb: {"status": 409 if rows.save([saved]) else 200}})
    return {"items": items}


def search(rows: FindableRows, body: Json) -> Json:
    asked = body["query"]["bool"]
    conditions = [*asked["must"][0]["bool"]["filter"], *asked["filter"]]
    *order, last = body["sort"]
    assert last == {"key": "asc"}
    query = {"bool": {"filter": conditions}}
    found = rows.find_everywhere(query, order, body.get("search_after"), body["size"])
    hits = [
        {
            "_id": row["key"],
            "_source": {**row, "format": ROW_FORMAT},
            "_seq_no": 0,
            "_primary_term": 1,
            "sort": sort,
        }
        for row, sort in zip(found.rows, found.sorts, strict=True)
    ]
    return {"hits": {"hits": hits, "total": {"value": found.total}}}


CALLS: Mapping[str, Callable[[FindableRows, Any], Json]] = {
    "_mget": load,
    "_bulk": bulk,
    "_search": search,
    "_delete_by_query": lambda _rows, _body: {"deleted": 0},
    **dict.fromkeys(("_refresh", "_flush", "_forcemerge"), lambda _rows, _body: {}),
}

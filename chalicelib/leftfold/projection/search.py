"""Rows as OpenSearch documents, which queries find by their fields.

Documents are only written through an alias. A write to a missing index would make OpenSearch
create one and guess its mapping.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from chalicelib.leftfold.kernel import Row, View
from chalicelib.leftfold.kernel.commit import instant
from chalicelib.leftfold.projection.indexing import (
    BOOKKEEPING,
    BULK_BYTES,
    FIRST_BYTES,
    Json,
    batches,
    index_of,
    is_missing_index,
    lines_of,
    reason_of,
    row_of,
    verdict,
)
from chalicelib.leftfold.projection.rows import (
    NEVER,
    RowRejectedError,
    Save,
    StoredRow,
    texts,
)
from chalicelib.leftfold.store import dynamo
from chalicelib.leftfold.store.ports import CallRefusedError, Unavailable

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

BULK_ATTEMPTS = 6
LOADED_AT_ONCE = 1_000
SCANNED_AT_ONCE = 1_000


class Found(NamedTuple):
    """One page of rows, each with its `position` and its `tenant`; *total* counts the rows of all pages.

    *sorts* are the rows' sort values. The next page is found *after* the last of them.
    """

    rows: list[Row]
    sorts: list[list[Any]]
    total: int


class SearchRows:
    """`RowStore` on one OpenSearch index, which is created when the first row is saved.

    *now* gives the time of a deletion. *pause* waits after an attempt, by its number, that
    OpenSearch refused because of its load.
    """

    def __init__(
        self,
        client: "OpenSearch",
        name: str,
        view: View,
        now: Callable[[], datetime],
        pause: Callable[[int], None],
    ) -> None:
        reserved = BOOKKEEPING.keys() & view.fields.keys()
        if reserved:
            raise ValueError(f"{view.name} has reserved fields: {sorted(reserved)}")
        self._client = client
        self._alias = name.lower()
        self._view = view
        self._now = now
        self._pause = pause
        self._has_index = False

    def load(self, keys: Collection[str]) -> dict[str, StoredRow]:
        wanted, rows = list(keys), dict.fromkeys(keys, NEVER)
        for start in range(0, len(wanted), LOADED_AT_ONCE):
            ids = wanted[start : start + LOADED_AT_ONCE]
            with suppress(MissingIndexError), translated():
                answer = self._client.mget(index=self._alias, body={"ids": ids})
                for document in answer["docs"]:
                    if document.get("found"):
                        rows[document["_id"]] = row_of(document)
                    elif "error" in document and not is_missing_index(document):
                        raise Unavailable(str(document["error"]))
        return rows

    def save(self, saves: Sequence[Save]) -> set[str]:
        waiting = self._lines(saves)
        accumulates = {save.key: save.loaded is not None for save in saves}
        conflicts: set[str] = set()
        rejected: dict[str, str] = {}
        for attempt in range(1, BULK_ATTEMPTS + 1):
            refused: dict[str, str] = {}
            for key, result in self._results(waiting):
                match verdict(result, accumulates=accumulates[key]):
                    case "conflict":
                        conflicts.add(key)
                    case "rejected":
                        rejected[key] = reason_of(result["error"])
                    case "refused":
                        refused[key] = waiting[key]
            waiting = refused
            if not waiting:
                break
            self._pause(attempt)
        if rejected:
            raise RowRejectedError(rejected)
        if waiting:
            raise Unavailable(f"{self._alias} refused {len(waiting)} rows")
        return conflicts

    def flush(self) -> None:
        with suppress(MissingIndexError), translated():
            self._client.indices.refresh(index=self._alias)

    def expunge(self) -> None:
        # A document that was written again stays in its segment until the segment is merged, in the
        # transaction log until a flush, and in files until no search reads them. A merge keeps what
        # a replica might still ask for: a flush, and half a minute for the leases, end that.
        indices = self._client.indices
        with suppress(MissingIndexError), translated():
            indices.flush(index=self._alias, params={"force": "true"})
            indices.forcemerge(index=self._alias, params={"only_expunge_deletes": "true"})
            indices.flush(index=self._alias, params={"force": "true"})
            indices.refresh(index=self._alias)

    def scan(self) -> Iterator[tuple[str, StoredRow]]:
        after: list[Any] | None = None
        while hits := self._search({"match_all": {}}, [{"key": "asc"}], after, SCANNED_AT_ONCE)[
            "hits"
        ]["hits"]:
            for hit in hits:
                yield hit["_id"], row_of(hit)
            after = hits[-1]["sort"]

    def find(
        self, tenant: str, query: Json, sort: list[Any], after: list[Any] | None, size: int
    ) -> Found:
        """The rows of *tenant* that match *query*, sorted by *sort* and then by key.

        *query* is in OpenSearch's Query DSL, *sort* are its sort fields, and *after* are the
        sort values after which the page begins. Raises `Unavailable`.
        """
        # A filter beside the query, not a part of it: no query can leave it out or undo it.
        return self._found(query, [{"term": {"tenant": tenant}}], sort, after, size)

    def find_everywhere(
        self, query: Json, sort: list[Any], after: list[Any] | None, size: int
    ) -> Found:
        """The rows of all tenants that match *query*: for the engine's own work, never for a route."""
        return self._found(query, [], sort, after, size)

    def _found(
        self,
        query: Json,
        filters: list[Json],
        sort: list[Any],
        after: list[Any] | None,
        size: int,
    ) -> Found:
        existing = {
            "bool": {
                "must": [query],
                "filter": filters,
                "must_not": [{"term": {"deleted": True}}],
            }
        }
        hits = self._search(existing, [*sort, {"key": "asc"}], after, size)["hits"]
        return Found(
            [found_row(hit) for hit in hits["hits"]],
            [hit["sort"] for hit in hits["hits"]],
            hits["total"]["value"],
        )

    def purge(self, before: datetime) -> int:
        """Removes the documents of rows that were deleted *before* that time; returns how many."""
        old = {"range": {"deletedAt": {"lt": instant(before)}}}
        query = {"bool": {"filter": [{"term": {"deleted": True}}, old]}}
        with suppress(MissingIndexError), translated():
            answer = self._client.delete_by_query(
                index=self._alias,
                body={"query": query},
                # A row that was written again meanwhile is skipped.
                params={"conflicts": "proceed"},
            )
            return int(answer["deleted"])
        return 0

    def _search(self, query: Json, sort: list[Any], after: list[Any] | None, size: int) -> Json:
        body = {
            "query": query,
            "sort": sort,
            "size": size,
            "track_total_hits": True,
            "seq_no_primary_term": True,
        }
        if after is not None:
            body["search_after"] = after
        with suppress(MissingIndexError), translated():
            answer: Json = self._client.search(index=self._alias, body=body)
            return answer
        return {"hits": {"hits": [], "total": {"value": 0}}}

    def _lines(self, saves: Sequence[Save]) -> dict[str, str]:
        """By key, the two lines of a bulk request that write the row."""
        declared = self._view.fields.keys()
        encoded = texts(saves)
        undeclared = {
            save.key: f"the view declares no {sorted(unknown)}"
            for save in saves
            if (unknown := (save.row or {}).keys() - declared)
        }
        if undeclared:
            raise RowRejectedError(undeclared)
        return {save.key: lines_of(save, encoded[save.key], self._now()) for save in saves}

    def _results(self, lines: Mapping[str, str]) -> Iterator[tuple[str, Json]]:
        for batch in batches(lines, BULK_BYTES if self._has_index else FIRST_BYTES):
            yield from self._bulk(batch)

    def _bulk(self, batch: Mapping[str, str]) -> list[tuple[str, Json]]:
        """The result of each key; a refusal of the whole request is the result of every key."""
        try:
            with translated():
                answer = self._client.bulk(
                    index=self._alias,
                    body="".join(batch.values()),
                    params={"require_alias": "true"},
                )
        except BusyError:
            return [(key, {"status": 503}) for key in batch]
        except MissingIndexError:
            self._create_index()
            return [(key, {"status": 404}) for key in batch]
        results = [result for item in answer["items"] for result in item.values()]
        if any(is_missing_index(result) for result in results):
            self._create_index()
        self._has_index = True
        return list(zip(batch, results, strict=True))

    def _create_index(self) -> None:
        """Makes index and alias in one step, or the alias of an index that is there."""
        body = index_of(self._view, self._alias)
        try:
            with translated():
                self._client.indices.create(index=f"{self._alias}-rows", body=body)
        except CallRefusedError as error:
            if error.code != "resource_already_exists_exception":
                raise
            # Another process has just created both, or the alias was removed.
            with suppress(MissingIndexError), translated():
                self._client.indices.put_alias(index=f"{self._alias}-rows", name=self._alias)


class BusyError(Unavailable):
    """OpenSearch refused the request because of its load; it may be sent again."""


class MissingIndexError(Exception):
    """The index does not exist, because no row was ever saved."""


@contextmanager
def translated() -> Iterator[None]:
    """Turns opensearchpy's errors into those of the ports, and a missing index into its own.

    A request is signed with credentials of AWS, so botocore's errors can come as well.
    """
    from opensearchpy import exceptions

    try:
        with dynamo.translated():
            yield
    except exceptions.ConnectionError as error:
        raise Unavailable(str(error)) from error
    except exceptions.TransportError as error:
        match error.status_code:
            case 404:
                raise MissingIndexError from error
            case 429 | 503:
                raise BusyError(str(error)) from error
            case int(status) if status >= 500:
                raise Unavailable(str(error)) from error
        raise CallRefusedError(error.error, str(error)) from error


def found_row(hit: Json) -> Row:
    """The row of a hit, with its position and its tenant."""
    stored = row_of(hit)
    return {
        **(stored.row or {}),
        "position": stored.position,
        "tenant": hit["_source"]["tenant"],
    }


def indexes_of(client: "OpenSearch", application: str) -> list[str]:
    """The indexes that an application has, and none of another one, whose name may begin alike.

    A name of a view begins with no hyphen, and that of another generation does ("…--green").
    """
    prefix = f"{application.lower()}-"
    with translated():
        found = client.indices.get(index=f"{prefix}*", params={"expand_wildcards": "all"})
    return sorted(name for name in found if not name.removeprefix(prefix).startswith("-"))


def drop_indexes(client: "OpenSearch", application: str) -> list[str]:
    """Deletes the indexes of an application, with their aliases; their names. Raises `Unavailable`."""
    names = indexes_of(client, application)
    for name in names:
        with suppress(MissingIndexError), translated():
            client.indices.delete(index=name)
    return names


def connect(url: str, timeout: float = 10) -> "OpenSearch":
    """A client of the cluster at *url*, which waits up to *timeout* seconds for each answer.

    An https URL is AWS's, so its requests are signed.
    """
    from opensearchpy import OpenSearch, Urllib3AWSV4SignerAuth

    signer = None
    if url.startswith("https:"):
        import boto3

        session = boto3.Session()
        signer = Urllib3AWSV4SignerAuth(session.get_credentials(), session.region_name, "es")
    # No retries by the client: only the caller knows which requests may be repeated.
    return OpenSearch(hosts=[url], http_auth=signer, timeout=timeout, max_retries=0)

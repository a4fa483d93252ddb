"""Both sides of a benchmark do the same work."""

from collections.abc import Iterator

import pytest
from opensearchpy import OpenSearch

from chalicelib.leftfold.projection.search import connect
from tools.bank.bench import BARE, FILLED, bench_search

COMMITS = 1_010
DOCUMENTS = COMMITS - 1_000  # The first commit of each of a thousand accounts is no booking.


@pytest.fixture
def client(opensearch: str) -> Iterator[OpenSearch]:
    client = connect(opensearch, timeout=600)
    yield client
    client.indices.delete(index=f"{FILLED}-rows,{BARE}")
    client.close()


@pytest.mark.engine("opensearch")
def test_a_bare_bulk_load_writes_the_documents_that_a_fill_writes(
    opensearch: str, client: OpenSearch
) -> None:
    turns: list[None] = []
    result = bench_search(opensearch, COMMITS, lambda: turns.append(None))
    filled, bare = (documents(client, index) for index in (FILLED, BARE))
    assert filled == bare
    assert len(filled) == DOCUMENTS
    assert result.name.startswith(f"{DOCUMENTS} documents")
    assert result.promised == 2.0


def documents(client: OpenSearch, index: str) -> dict[str, object]:
    """All that a search finds, by its id."""
    found = client.search(index=index, body={"size": 10 * DOCUMENTS})["hits"]["hits"]
    return {hit["_id"]: hit["_source"] for hit in found}

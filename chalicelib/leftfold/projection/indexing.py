"""Requests to OpenSearch for the rows of a view, and the meaning of its answers; pure.

A document has the fields of the row, `key`, `tenant`, `position` and `format`. That of a deleted
row has `deleted` and `deletedAt` in the place of the fields.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Literal

from chalicelib.leftfold.kernel import View
from chalicelib.leftfold.kernel.commit import canonical, instant
from chalicelib.leftfold.projection.rows import ROW_FORMAT, Save, StoredRow
from chalicelib.leftfold.store.formats import unknown_format
from chalicelib.leftfold.store.ports import Unavailable

# OpenSearch's name for a value that does not fit the type of its field.
BAD_VALUE = "mapper_parsing_exception"

# The beginnings of OpenSearch's reasons that say which field is wrong. What follows them may be the
# value; other reasons have one anywhere.
SAYS_NO_VALUE = re.compile(
    r"failed to parse field \[\w+] of type \[\w+]|mapping set to strict, dynamic introduction of \[\w+]"
)

BULK_BYTES = 5 * 1024 * 1024
# Of the first request of a process: where there is no index yet, it has to be sent again.
FIRST_BYTES = 64 * 1024
# Lucene refuses longer terms: 32,766 bytes, and a character takes up to four.
EXACT_LENGTH = 8_191

BOOKKEEPING: dict[str, Any] = {
    "key": {"type": "keyword"},
    "tenant": {"type": "keyword"},
    "position": {"type": "long"},
    "format": {"type": "long"},
    "deleted": {"type": "boolean"},
    "deletedAt": {"type": "date"},
}
EXACT = {"type": "keyword", "ignore_above": EXACT_LENGTH}
FIELD_MAPPINGS: Mapping[str, Any] = {
    "keyword": EXACT,
    "text": {"type": "text", "fields": {"keyword": EXACT}},
    "long": {"type": "long"},
    "date": {"type": "date"},
}

# The analyzer named "default" makes words of every text field and of every search in one, so
# that `cafe` finds "café" in either of Unicode's spellings. `asciifolding` knows accented
# letters, but no accents that follow a letter as characters of their own; the `char_filter`
# removes those.
ANALYSIS: Mapping[str, Any] = {
    "char_filter": {
        "no_combining_accents": {
            "type": "pattern_replace",
            "pattern": r"\p{InCombiningDiacriticalMarks}",
            "replacement": "",
        }
    },
    "analyzer": {
        "default": {
            "type": "custom",
            "char_filter": ["no_combining_accents"],
            "tokenizer": "standard",
            "filter": ["lowercase", "asciifolding"],
        }
    },
}

Json = dict[str, Any]


def index_of(view: View, alias: str) -> Json:
    """The definition of a view's index, which rejects fields that the view does not declare."""
    properties = {name: FIELD_MAPPINGS[kind] for name, kind in view.fields.items()}
    return {
        "aliases": {alias: {}},
        "settings": {
            "analysis": ANALYSIS,
            # One shard takes millions of rows. AWS's default of five costs memory on every node.
            "index.number_of_shards": 1,
            # A copy as soon as there is a second node for it.
            "index.auto_expand_replicas": "0-1",
            # A merge that is asked for removes every document that was written again.
            "index.merge.policy.expunge_deletes_allowed": 0,
        },
        "mappings": {"dynamic": "strict", "properties": BOOKKEEPING | properties},
    }


def lines_of(save: Save, text: str | None, now: datetime) -> str:
    """The two lines of a bulk request that write the row, of which *text* is the JSON, as `texts` has
    made it; *now* is the time of a deletion.
    """
    document: Json = {
        "key": save.key,
        "tenant": save.key.partition("/")[0],
        "position": save.position,
        "format": ROW_FORMAT,
    }
    if text is None:
        document |= {"deleted": True, "deletedAt": instant(now)}
    line = canonical(document)
    # No field of a row has a name of the bookkeeping, so the members of both make one object.
    if text not in {None, "{}"}:
        line = f"{line[:-1]},{text[1:]}"
    return f"{canonical(action_of(save))}\n{line}\n"


def verdict(
    result: Json, *, accumulates: bool
) -> Literal["written", "conflict", "rejected", "refused"]:
    """The outcome of one row of a bulk request; a "refused" one may be sent again.

    Raises `Unavailable` if the index is at fault and not the row: the index may be closed, or
    lack a field that the view declares.
    """
    match result["status"]:
        case 200 | 201:
            return "written"
        case 409:
            # A row that does not accumulate is stored already, from this commit or a later one.
            return "conflict" if accumulates else "written"
        case 400 if result["error"]["type"] == BAD_VALUE:
            return "rejected"
        case 404 | 429 | 503:
            return "refused"
        case status:
            raise Unavailable(f"{status}: {result['error']}")


def action_of(save: Save) -> Json:
    """The action line of a bulk request: the row's id, and the condition of its write."""
    if save.loaded is None:
        version = {"version": save.position + 1, "version_type": "external"}
        return {"index": {"_id": save.key, **version}}
    if save.loaded.token is None:
        return {"create": {"_id": save.key}}
    seq_no, primary_term = save.loaded.token
    unchanged = {"if_seq_no": seq_no, "if_primary_term": primary_term}
    return {"index": {"_id": save.key, **unchanged}}


def row_of(document: Json) -> StoredRow:
    """The row in a document or a hit. Raises `UnknownFormatError`."""
    source = document["_source"]
    if source.get("format") not in range(1, ROW_FORMAT + 1):
        raise unknown_format(f"the row {source['key']}", source.get("format"), ROW_FORMAT)
    row = {name: value for name, value in source.items() if name not in BOOKKEEPING}
    return StoredRow(
        None if "deleted" in source else row,
        source["position"],
        (document["_seq_no"], document["_primary_term"]),
    )


def reason_of(error: Json) -> str:
    """Why a row was rejected, without any value: it may be personal data."""
    known = SAYS_NO_VALUE.match(error["reason"])
    return f"{error['type']}: {known[0]}" if known else str(error["type"])


def is_missing_index(result: Json) -> bool:
    """Whether one key of a request failed because the index does not exist yet."""
    error = result.get("error")
    return isinstance(error, dict) and error["type"] == "index_not_found_exception"


def batches(lines: Mapping[str, str], first: int = BULK_BYTES) -> Iterator[dict[str, str]]:
    """*lines* in batches of up to `BULK_BYTES`, one for each request; of the first up to *first*."""
    batch: dict[str, str] = {}
    size, most = 0, first
    for key, text in lines.items():
        length = len(text.encode())
        if batch and size + length > most:
            yield batch
            batch, size, most = {}, 0, BULK_BYTES
        batch[key] = text
        size += length
    if batch:
        yield batch

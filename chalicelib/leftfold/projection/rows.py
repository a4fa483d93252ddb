"""The port of row stores, which save a row only over the state that was loaded."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, NamedTuple, Protocol

from chalicelib.leftfold.kernel import Row
from chalicelib.leftfold.kernel.commit import canonical

# Limits that every store meets, so that a view can move from one store to another. OpenSearch's
# longest id has 512 bytes. DynamoDB's largest item has 400 KB, with the key and the attributes
# beside the row.
KEY_BYTES = 512
ROW_BYTES = 399 * 1024

# The newest format of a row that this engine knows.
ROW_FORMAT = 1

# A deleted row is kept for longer than any message can be late.
KEEP_DELETED = timedelta(days=7)


class StoredRow(NamedTuple):
    """A row as it was read: *row* is None if it was deleted or never there.

    *position* is that of the last commit folded into it, or -1 if it was never there.
    *token* is the adapter's own version of this state, for the condition of a save.
    """

    row: Row | None
    position: int
    token: Any = None


NEVER = StoredRow(None, -1)


class Save(NamedTuple):
    """A row to be written; *row* None deletes it.

    *loaded* is the state that the row was folded from. It is None for a view that does not
    accumulate, whose row replaces any row of a lower position.
    """

    key: str
    row: Row | None
    position: int
    loaded: StoredRow | None


class RowRejectedError(Exception):
    """The store will never accept these rows; *reasons* by key."""

    def __init__(self, reasons: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{key}: {reason}" for key, reason in reasons.items()))
        self.reasons = reasons


class RowStore(Protocol):
    """The rows of one view."""

    def load(self, keys: Collection[str]) -> dict[str, StoredRow]:
        """Each key's row, read consistently; a deleted row has a position and no content."""

    def save(self, saves: Sequence[Save]) -> set[str]:
        """Writes each row that is still as it was loaded; returns the keys of the others.

        A row that does not accumulate counts as written if it is stored at its position or
        a higher one. Raises `RowRejectedError` and `Unavailable`; some of the other rows may
        have been written then.
        """

    def flush(self) -> None:
        """Makes every saved row visible to queries."""

    def expunge(self) -> None:
        """Removes the former contents of rows, which nothing reads any more, from the store."""

    def scan(self) -> Iterator[tuple[str, StoredRow]]:
        """All rows that are visible to queries, deleted ones too, in no order."""


def texts(saves: Sequence[Save]) -> dict[str, str | None]:
    """Each row as canonical JSON, None for a deleted one.

    Raises `RowRejectedError` if a key or a row is over its limit, `KEY_BYTES` or `ROW_BYTES`, or
    has no form in JSON and UTF-8.
    """
    encoded: dict[str, str | None] = {}
    refused: dict[str, str] = {}
    for save in saves:
        try:
            encoded[save.key] = text_of(save.key, save.row)
        except (TypeError, ValueError) as error:
            refused[save.key] = str(error)
    if refused:
        raise RowRejectedError(refused)
    return encoded


def text_of(key: str, row: Row | None) -> str | None:
    """A row as canonical JSON. Raises TypeError or ValueError if no store accepts it."""
    check_key(key)
    if row is None:
        return None
    text = canonical(row)
    size = len(text.encode())
    if size > ROW_BYTES:
        raise ValueError(f"the row has {size} bytes, more than the {ROW_BYTES} allowed")
    return text


def check_key(key: str) -> None:
    """Raises ValueError for an empty key, and for one over `KEY_BYTES`."""
    # A character has at most four bytes, so most keys need no encoding.
    if key and 4 * len(key) <= KEY_BYTES:
        return
    if not 0 < len(key.encode()) <= KEY_BYTES:
        raise ValueError(f"a key has 1 to {KEY_BYTES} bytes: {key[:80]!r}")

"""The port of row stores: rows saved only over what was loaded."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, NamedTuple, Protocol

from chalicelib.leftfold.kernel import Row
from chalicelib.leftfold.kernel.commit import canonical

# What every store takes: OpenSearch's longest id, and DynamoDB's item of 400 KB with
# room for the key and the attributes beside the row. One limit for all, so that a view
# can move from one store to another.
KEY_BYTES = 512
ROW_BYTES = 399 * 1024

# How long a tombstone stays: longer than any message can be late.
KEEP_DELETED = timedelta(days=7)


class StoredRow(NamedTuple):
    """A row as it was read: *row* is None if it was deleted or never there.

    *position* is that of the last commit folded into it, -1 if it was never there.
    *token* is the adapter's own mark of this very state, for the save's condition.
    """

    row: Row | None
    position: int
    token: Any = None


NEVER = StoredRow(None, -1)


class Save(NamedTuple):
    """A row to be written; *row* None leaves a tombstone.

    *loaded* is the state that the row was folded from; None for a view that does not
    accumulate: its row replaces any of a lower position.
    """

    key: str
    row: Row | None
    position: int
    loaded: StoredRow | None


class RowRejectedError(Exception):
    """Rows that the store will never take as they are: *reasons* by key."""

    def __init__(self, reasons: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{key}: {why}" for key, why in reasons.items()))
        self.reasons = reasons


class RowStore(Protocol):
    """The rows of one view."""

    def load(self, keys: Collection[str]) -> dict[str, StoredRow]:
        """Every key's row, read consistently; a tombstone has a position and no row."""

    def save(self, saves: Sequence[Save]) -> set[str]:
        """Writes each row if it still is as it was loaded; returns those that are not.

        A row that does not accumulate and is already there at its position or above
        counts as written. Raises `RowRejectedError` and `Unavailable`: then some of the
        other rows may have been written.
        """

    def flush(self) -> None:
        """Makes every saved row visible to queries."""

    def scan(self) -> Iterator[tuple[str, StoredRow]]:
        """All rows and tombstones that are visible to queries, in no order."""


def texts(saves: Sequence[Save]) -> dict[str, str | None]:
    """Each row as canonical JSON, None for a tombstone.

    Raises `RowRejectedError` before anything is sent, if a key or a row is over the
    limits of `KEY_BYTES` and `ROW_BYTES` or has no form in JSON and UTF-8.
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
    """A row as `texts` has it. Raises TypeError or ValueError if no store takes it."""
    check_key(key)
    if row is None:
        return None
    text = canonical(row)
    size = len(text.encode())
    if size > ROW_BYTES:
        raise ValueError(f"{size} bytes in one row")
    return text


def check_key(key: str) -> None:
    """Raises ValueError for a key that no store takes: empty, or over `KEY_BYTES`."""
    # A character takes up to four bytes: most keys need no counting.
    if key and 4 * len(key) <= KEY_BYTES:
        return
    if not 0 < len(key.encode()) <= KEY_BYTES:
        raise ValueError(f"a key has 1 to {KEY_BYTES} bytes: {key[:80]!r}")

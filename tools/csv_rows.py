"""Rows of a CSV text with the lines they stand on. A quote that swallows lines is an error."""

import csv
import io
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tools.files import FileError


class Row(NamedTuple):
    """A row that is not empty; it stands on the lines *first* to *last* of the text.

    *fault* says why a row is not CSV; its fields are then what a tolerant reader finds.
    """

    first: int
    last: int
    fields: list[str]
    fault: str | None = None


class CsvText:
    """The text of a file. *name* is how messages call the file."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self._lines = list(io.StringIO(text, newline=""))

    def rows(self) -> Iterator[Row]:
        """Every row. Raises FileError at a quote that is not closed on its line as it should be."""
        reader = csv.reader(self._lines, strict=True)
        while True:
            first = reader.line_num + 1
            try:
                fields = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                row = Row(first, reader.line_num, [], f"is not CSV: {error}")
                if row.last > row.first or self._open_quote(row)[1]:
                    raise self.swallowed(row) from error
                yield row._replace(fields=_loosely(self._lines[first - 1]))
            else:
                if fields:
                    yield Row(first, reader.line_num, fields)

    def swallowed(self, row: Row) -> FileError:
        """The error of a row whose quote took lines in that do not belong to it."""
        opened, still_open = self._open_quote(row)
        end = "never closed" if still_open else f"not closed before line {row.last}"
        total = len(self._lines)
        unread = total - row.first + 1
        return FileError(
            f"{self.name}: the quote that opens on line {opened} is {end}:"
            f" {unread:,} {'line' if unread == 1 else 'lines'} ({row.first} to {total})"
            " cannot be read, and nothing is imported;"
            " close the quote, or write it twice if it belongs to the text"
        )

    def _open_quote(self, row: Row) -> tuple[int, bool]:
        """The line on which the row's last quoted field opens, and whether it stays open."""
        opened, quoted = row.first, False
        for number in range(row.first, row.last + 1):
            quoted, opens = _quoted_after(self._lines[number - 1], quoted=quoted)
            if opens:
                opened = number
        return opened, quoted


def _loosely(line: str) -> list[str]:
    """The fields of a line that is no strict CSV; none if it is not to be read at all."""
    try:
        return next(csv.reader([line]), [])
    except csv.Error:
        return []


def _quoted_after(line: str, *, quoted: bool) -> tuple[bool, bool]:
    """Whether a quoted field is open after *line*, and whether one opens on it and is the last.

    *quoted* says whether one is open before it. As in the csv module, a quote opens a field
    only as its first character, and two quotes inside a quoted field are one of its text.
    """
    opens, begins, at = False, not quoted, 0
    while at < len(line):
        character = line[at]
        if quoted and line.startswith('""', at):
            at += 1
        elif quoted and character == '"':
            quoted = False
        elif not quoted and begins and character == '"':
            quoted = opens = True
        begins = not quoted and character == ","
        at += 1
    return quoted, opens


def same_but_for_case(names: Sequence[str], wanted: Sequence[str]) -> bool:
    """Whether all *wanted* names are there once capitals and blanks do not count."""
    plain = {name.strip().lower().replace(" ", "_") for name in names}
    return plain.issuperset(wanted)

"""Text files as people hand them in: plain or gzipped, in UTF-8, or refused in one line."""

import codecs
import gzip
import re
import zlib
from pathlib import Path
from typing import Literal

_GZIP = b"\x1f\x8b"
# UTF-32 comes first: its mark begins as that of UTF-16 does.
_MARKS = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
_SHOWN = 16
_LINE_END = re.compile(rb"\r\n|\r|\n")


class FileError(Exception):
    """An error in one line: why the file cannot be read at all."""


def read_text(path: Path, errors: Literal["strict", "surrogateescape"] = "strict") -> str:
    """The text of a file; its line ends stay as they are, a byte-order mark goes.

    With "surrogateescape", bytes that are not UTF-8 become lone surrogates, as Python has
    them: 0xE1 is U+DCE1. Raises FileError, which names what was seen instead of UTF-8.
    """
    content = read_bytes(path)
    for mark, encoding in _MARKS.items():
        if content.startswith(mark):
            raise FileError(f"{path} is {encoding}, by its first bytes; save it as UTF-8")
    if (at := content.find(b"\0")) >= 0:
        line = _line_of(content, at)
        raise FileError(
            f"{path} is not UTF-8 text: line {line} holds a zero byte, as UTF-16 does;"
            " save it as UTF-8"
        )
    try:
        return content.decode("utf-8-sig", errors)
    except UnicodeDecodeError as error:
        # The error counts from behind the mark.
        at = error.start + len(content) - len(error.object)
        seen = f"line {_line_of(content, at)} holds the byte 0x{content[at]:02X}"
        raise FileError(
            f"{path} is not UTF-8: {seen}, as ISO 8859 and Windows encodings do; save it as UTF-8"
        ) from error


def read_bytes(path: Path) -> bytes:
    """The bytes of a file, unpacked if they are gzip's. Raises FileError."""
    try:
        content = path.read_bytes()
        if content.startswith(_GZIP):
            return gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise FileError(f"{path} cannot be read: {reason}") from error
    if path.suffix == ".gz":
        seen = f"it begins with {content[:_SHOWN]!r}" if content else "it is empty"
        raise FileError(
            f"{path} cannot be read: Not a gzipped file: {seen};"
            " take .gz from its name if it is plain text"
        )
    return content


def _line_of(content: bytes, at: int) -> int:
    return len(_LINE_END.findall(content, 0, at)) + 1

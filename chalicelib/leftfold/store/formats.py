"""The formats of stored items: an engine reads those that it knows, and stops at any other."""

from typing import Any

from chalicelib.leftfold.kernel import UnknownFormatError

FORMAT = "format"


def format_item(version: int) -> dict[str, Any]:
    """The attribute that says an item's format."""
    return {FORMAT: {"N": str(version)}}


def check_format(item: dict[str, Any], known: int, what: str) -> None:
    """Raises `UnknownFormatError` for an item of another format than 1..*known*."""
    found = item.get(FORMAT, {}).get("N", "none")
    if found not in map(str, range(1, known + 1)):
        raise unknown_format(what, found, known)


def unknown_format(what: str, found: object, known: int) -> UnknownFormatError:
    """The error of stored data that this engine does not know. *what* names it."""
    return UnknownFormatError(
        f"{what} is of format {found}: this engine reads formats 1 to {known}, so a newer one"
        " is needed"
    )

"""Strict JSON: a request body is parsed, or refused with a JSON pointer to each flaw."""

import json
import math
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from chalicelib.leftfold.http.problems import Problem

LARGEST_BODY = 512 * 1024
DEEPEST = 20

# API Gateway decodes the body and puts U+FFFD where it was not UTF-8.
_UNDECODED = re.compile("[\ud800-\udfff\ufffd]")
_DIGITS_OF_A_NUMBER = 19


class Unfit(NamedTuple):
    """Stands in the parsed body for a value that is refused."""

    reason: str


def parse(raw: bytes) -> Any:
    """The JSON value of a body. Raises `Problem` with a pointer to each flaw."""
    if len(raw) > LARGEST_BODY:
        raise refused(
            "body-too-large", f"has {len(raw)} bytes, more than the {LARGEST_BODY} allowed"
        )
    if not raw.strip():
        raise refused("malformed-body", "is empty")
    try:
        value = json.loads(
            raw.decode("utf-8"),
            object_pairs_hook=without_duplicates,
            parse_constant=lambda name: Unfit(f"is {name}, which is not JSON"),
            parse_float=finite,
            parse_int=within_64_bits,
        )
    except UnicodeDecodeError as error:
        raise refused("malformed-body", "is not UTF-8") from error
    except RecursionError as error:
        raise refused("malformed-body", "is nested too deeply") from error
    except json.JSONDecodeError as error:
        reason = f"is not valid JSON at line {error.lineno}, column {error.colno}"
        raise refused("malformed-body", reason) from error
    errors = list(flaws(value))
    if errors:
        raise Problem("malformed-body", errors=errors)
    return value


def refused(code: str, reason: str) -> Problem:
    """A problem of the body as a whole, to which the empty pointer points."""
    return Problem(code, f"The body {reason}.", errors=[{"pointer": "", "detail": reason}])


def without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object of *pairs*; a name that is given more than once has an `Unfit` value."""
    parsed: dict[str, Any] = {}
    for name, value in pairs:
        parsed[name] = Unfit("is given more than once") if name in parsed else value
    return parsed


def finite(text: str) -> Any:
    """The number, or `Unfit` if it is too large for a float."""
    number = float(text)
    return number if math.isfinite(number) else Unfit("is too large a number")


def within_64_bits(text: str) -> Any:
    """The whole number, or `Unfit` if it has more than 19 digits."""
    if len(text) > _DIGITS_OF_A_NUMBER:
        return Unfit("is too large a number")
    return int(text)


def flaws(value: Any, at: str = "", depth: int = 0) -> Iterator[dict[str, str]]:
    """Pointer and detail of each flaw that no field allows."""
    match value:
        case Unfit(reason):
            yield {"pointer": at, "detail": reason}
        case str() if _UNDECODED.search(value):
            yield {"pointer": at, "detail": "has characters that are not Unicode text"}
        case dict() | list() if depth == DEEPEST:
            yield {"pointer": at, "detail": "is nested too deeply"}
        case dict():
            for name, inner in value.items():
                if _UNDECODED.search(name):
                    yield {"pointer": at, "detail": "has a name that is not Unicode text"}
                else:
                    yield from flaws(inner, f"{at}/{escaped(name)}", depth + 1)
        case list():
            for index, inner in enumerate(value):
                yield from flaws(inner, f"{at}/{index}", depth + 1)


def escaped(name: object) -> str:
    """A name as a step of a JSON pointer (RFC 6901)."""
    return str(name).replace("~", "~0").replace("/", "~1")

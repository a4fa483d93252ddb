"""Imports marshmallow without compiling the patterns of its e-mail validator.

They have the letters of all languages, in both cases, and take a third of what it takes to import
marshmallow. Nothing here uses that validator: `fields.email` has a pattern of its own.
"""

import re
from importlib import import_module
from typing import Any

# The flags of those patterns, which no other pattern has that is compiled meanwhile.
FLAGS = re.IGNORECASE | re.UNICODE
_compile = re.compile


class LatePattern:
    """A regular expression that is compiled when a text is matched with it."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern

    def match(self, text: str) -> re.Match[str] | None:
        return _compile(self._pattern, FLAGS).match(text)


def import_marshmallow() -> None:
    """Imports marshmallow, with a `LatePattern` for each pattern of `FLAGS`."""

    def late(pattern: Any, flags: int = 0) -> Any:
        return LatePattern(pattern) if flags == FLAGS else _compile(pattern, flags)

    vars(re)["compile"] = late
    try:
        import_module("marshmallow")
    finally:
        vars(re)["compile"] = _compile

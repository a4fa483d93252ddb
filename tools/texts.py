"""Texts that people read: of files, made to fit what the API takes, and numbers with their nouns."""

import re
from typing import NamedTuple

# White space of every kind, and the control characters C0 and C1, which no text needs.
_BETWEEN_WORDS = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")


class Fitted(NamedTuple):
    """A text as it can be sent, and the number of characters that it had before the cut."""

    text: str
    length: int

    @property
    def was_cut(self) -> bool:
        return len(self.text) < self.length

    def note(self, name: str) -> str:
        """The note on a cut: "purpose has 600 characters; 500 are kept"."""
        return f"{name} has {self.length} characters; {len(self.text)} are kept"


def folded(text: str) -> str:
    """*text* in one line: each run of white space and control characters is one blank."""
    return _BETWEEN_WORDS.sub(" ", text).strip()


def fitted(text: str, longest: int) -> Fitted:
    """*text* folded, and cut to at most *longest* characters."""
    line = folded(text)
    return Fitted(line[:longest].rstrip(), len(line))


def counted(number: int, noun: str) -> str:
    """A number of things: "1 entry", "1,200 entries"."""
    if number == 1:
        return f"1 {noun}"
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{number:,} {plural}"

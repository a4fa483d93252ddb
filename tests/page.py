"""A page of docs/ as a program: its fenced blocks are files, edits and commands.

The line before a block says what the block is for:

    Create `path`:                  the block is the file
    In `path`, replace:             the block is in the file once, and the next one, "by:", takes its place
    At the end of `path`, add:      the block follows what the file has
    (a block of `sh`)               the commands succeed; they fail if the line says "fails"
    (a block of `text`)             the lines are among those that the last command wrote

Every other block is an error, so nothing on the page is left untried.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from tests.tree import Tree

BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A fenced block, the heading that it is under, and the line before it."""

    section: str
    lead: str
    language: str
    text: str


def blocks(page: Path) -> Iterator[Block]:
    """The blocks of *page*, in their order."""
    written = page.read_text()
    for match in BLOCK.finditer(written):
        before = written[: match.start()].rstrip()
        section = ["", *re.findall(r"^## (.*)$", before, re.MULTILINE)][-1]
        yield Block(section, before.rpartition("\n")[2], match[1], match[2])


def follow(page: Path, tree: Tree) -> None:
    """Does in *tree* all that *page* says."""
    follow_blocks(blocks(page), tree)


def follow_blocks(written: Iterable[Block], tree: Tree) -> None:
    """Does in *tree* what some blocks of a page say."""
    wrote, edited, old = "", "", ""
    for _, lead, language, text in written:
        match language:
            case "sh":
                wrote = tree.run(text, fails="fails" in lead)
            case "text":
                missing = [line for line in text.splitlines() if line.strip() not in wrote]
                assert missing == [], wrote
            case _ if create := re.search(r"[Cc]reate `([^`]+)`", lead):
                tree.write(create[1], text)
            case _ if append := re.search(r"[Aa]t the end of `([^`]+)`, add", lead):
                tree.write(append[1], f"{tree.read(append[1])}\n\n{text}")
            case _ if replace := re.search(r"[Ii]n `([^`]+)`, replace", lead):
                edited, old = replace[1], text
            case _ if lead in ("by:", "by"):
                tree.replace(edited, old, text)
            case _:
                raise AssertionError(f"nothing says what this block is for: {lead!r}\n{text}")

"""Looks for a forgotten name in the files of OpenSearch: python -m tests.erasure [--people N].

Everything else about erasure is tried in memory, where a row that is written again is gone. OpenSearch keeps what was
written in segments and in its transaction log; this sees when the name has left its files for good.
"""

import time
from pathlib import Path

import click

from chalicelib.leftfold.kernel import View
from chalicelib.leftfold.projection.rows import NEVER, Save
from chalicelib.leftfold.projection.search import SearchRows, connect
from tests.clock import Clock
from tools.engines import OpenSearch

VIEW = View(
    "people",
    {},
    lambda _recorded: (),
    lambda _row, _recorded, _key: None,
    store="search",
    fields={"name": "text", "n": "long"},
)
FORGOTTEN = "Qvyzkermundelhofer"
# Seconds. The second folding of an erasure comes 25 minutes after the first; it must find nothing left.
LONGEST = 300


@click.command()
@click.option("--people", default=2000, show_default=True, help="Rows beside the forgotten one.")
def main(people: int) -> None:
    """Exit 1 if the name stays in a file; say how long it stayed, and what was found before."""
    with OpenSearch(progress=lambda _: None) as engine:
        rows = SearchRows(connect(engine.url), "people", VIEW, Clock(), lambda _attempt: None)
        others = [f"main/person-{number}" for number in range(people)]
        for start in range(0, people, 500):
            some = others[start : start + 500]
            rows.save([Save(key, {"name": f"Name of {key}", "n": start}, 0, NEVER) for key in some])
        person = "main/person-forgotten"
        rows.save([Save(person, {"name": FORGOTTEN, "n": 1}, 1, NEVER)])
        rows.expunge()
        before = files_with(FORGOTTEN, engine.scratch)
        if not before:
            raise SystemExit("the name is in no file even before: this finds nothing")

        rows.save([Save(person, {"name": "erased", "n": 1}, 2, rows.load([person])[person])])
        began = time.monotonic()
        rows.expunge()
        click.echo(f"in {len(before)} files before; after one call in {left(engine.scratch)}")
        while left(engine.scratch) and time.monotonic() < began + LONGEST:
            time.sleep(5)
            rows.expunge()
        click.echo(f"in {left(engine.scratch)} after {time.monotonic() - began:.0f} s")
        whole = sum(1 for _ in rows.scan())
        click.echo(f"{whole} of {people + 1} rows are there")
        if left(engine.scratch) or whole != people + 1:
            raise SystemExit(1)


def left(folder: Path) -> int:
    """How many files still have the name."""
    return len(files_with(FORGOTTEN, folder))


def files_with(text: str, folder: Path) -> list[Path]:
    """The files below *folder* that contain *text*, in any case, as search terms are lower-case."""
    found = []
    for path in folder.rglob("*"):
        try:
            content = path.read_bytes() if path.is_file() else b""
        except FileNotFoundError:
            # Merged away while this looked.
            continue
        if text.lower().encode() in content.lower():
            found.append(path)
    return found


if __name__ == "__main__":
    main()

"""Follows the one order of a Leftfold deployment into an SQLite database, killed or not.

    LEFTFOLD_TOKEN=$(./leftfold token) python3 examples/follow.py URL DATABASE [CATEGORY]

Commits and the place in the log are kept in one transaction, so each commit is kept once. It ends
when its access token has expired, and goes on where it was when it is started with another one.
"""

import json
import os
import sqlite3
import sys
import time
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

SIGNED = {"Authorization": f"Bearer {os.environ.get('LEFTFOLD_TOKEN', '')}"}
TABLES = """
CREATE TABLE IF NOT EXISTS commits
    (number INTEGER PRIMARY KEY, stream TEXT, version INTEGER, body TEXT, UNIQUE (stream, version));
CREATE TABLE IF NOT EXISTS place (one INTEGER PRIMARY KEY CHECK (one = 1), after TEXT);
"""


def follow(url: str, database: str, **wanted: str) -> None:
    """Keeps every commit, and goes on for ever."""
    kept = sqlite3.connect(database)
    kept.executescript(TABLES)
    while True:
        after = dict(kept.execute("SELECT 'after', after FROM place"))
        try:
            asked = Request(f"{url}/log?{urlencode(wanted | after)}&wait=20", headers=SIGNED)
            with urlopen(asked, timeout=40) as answer:
                page = json.load(answer)
        except (URLError, OSError) as error:
            if isinstance(error, HTTPError) and error.code < 500 and error.code != 429:
                raise
            time.sleep(1)
            continue
        rows = [(item["stream"], item["version"], json.dumps(item)) for item in page["items"]]
        with kept:
            kept.executemany("INSERT INTO commits VALUES (NULL, ?, ?, ?)", rows)
            kept.execute("INSERT OR REPLACE INTO place VALUES (1, ?)", [page["next"]])


if __name__ == "__main__":
    if len(sys.argv) not in {3, 4}:
        sys.exit(__doc__)
    follow(sys.argv[1], sys.argv[2], **({"category": sys.argv[3]} if sys.argv[3:] else {}))

"""Takes announcements from a queue into an SQLite database: each once, every stream in order.

    python3 examples/subscribe.py QUEUE_URL DATABASE

EventBridge gives an announcement late, twice, or before an earlier one. So one that is not behind
the last of its stream is dropped, and one that others must come before waits. A message is deleted
once the database has it, so this program may be killed at any time.
"""

import json
import sqlite3
import sys
from typing import Any

TABLES = """
CREATE TABLE IF NOT EXISTS waiting
    (stream TEXT, sequence TEXT, previous TEXT, body TEXT, PRIMARY KEY (stream, sequence));
CREATE TABLE IF NOT EXISTS reached (stream TEXT PRIMARY KEY, sequence TEXT, revision TEXT);
CREATE TABLE IF NOT EXISTS kept
    (number INTEGER PRIMARY KEY, stream TEXT, sequence TEXT, body TEXT, UNIQUE (stream, sequence));
"""
NEXT = "SELECT previous, body FROM waiting WHERE stream = ? ORDER BY sequence LIMIT 1"


def take(kept: sqlite3.Connection, said: dict[str, Any]) -> None:
    """Keeps an announcement, and those of its stream that have waited for it."""
    # Positions of different logs cannot be compared.
    stream = f"{said['source']} {said['subject']}"
    find = "SELECT sequence, revision FROM reached WHERE stream = ?"
    with kept:
        sequence, revision = kept.execute(find, [stream]).fetchone() or ("", "")
        if said["sequence"] <= sequence:
            return
        row = (stream, said["sequence"], said.get("previous", ""), json.dumps(said))
        kept.execute("INSERT OR IGNORE INTO waiting VALUES (?, ?, ?, ?)", row)
        while (first := kept.execute(NEXT, [stream]).fetchone()) and first[0] <= revision:
            ready = json.loads(first[1])
            sequence, revision = ready["sequence"], ready["revision"]
            # Here the announcement is acted upon: in this transaction.
            kept.execute("INSERT INTO kept VALUES (NULL, ?, ?, ?)", (stream, sequence, first[1]))
            kept.execute(
                "DELETE FROM waiting WHERE stream = ? AND sequence = ?", (stream, sequence)
            )
            kept.execute(
                "INSERT OR REPLACE INTO reached VALUES (?, ?, ?)", (stream, sequence, revision)
            )


def subscribe(queue: str, database: str, sqs: Any) -> None:
    """Takes what the rule of an event bus has put into *queue*, and goes on for ever."""
    kept = sqlite3.connect(database)
    kept.executescript(TABLES)
    while True:
        asked = {"MaxNumberOfMessages": 10, "WaitTimeSeconds": 20}
        for message in sqs.receive_message(QueueUrl=queue, **asked).get("Messages", []):
            take(kept, json.loads(message["Body"])["detail"])
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    import boto3

    subscribe(sys.argv[1], sys.argv[2], boto3.client("sqs"))

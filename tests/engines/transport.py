"""What lies between the functions: mailboxes that lose, repeat and shuffle; streams."""

from collections.abc import Iterable, Iterator
from random import Random
from threading import Condition, Event
from typing import Any, Generic, TypeVar

T = TypeVar("T")

# Streams are polled, as Lambda does; seconds.
POLL = 0.02


class Mailbox(Generic[T]):
    """Items on their way to a function: a share *drop* is lost, all others come *copies*
    times, in any order.
    """

    def __init__(self, seed: int, drop: float = 0.0, copies: int = 1) -> None:
        self.dropped = self.repeated = 0
        self._random = Random(seed)
        self._drop = drop
        self._copies = copies
        self._items: list[T] = []
        self._closed = False
        self._changed = Condition()

    def put(self, items: Iterable[T]) -> None:
        """Sends *items*."""
        with self._changed:
            for item in items:
                if self._random.random() < self._drop:
                    self.dropped += 1
                else:
                    self._items += [item] * self._copies
                    self.repeated += self._copies - 1
            self._changed.notify_all()

    def take(self, limit: int) -> list[T]:
        """Any 1..*limit* items, waiting for the first; none once all is over."""
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._closed)
            taken = []
            for _ in range(min(limit, len(self._items))):
                place = self._random.randrange(len(self._items))
                self._items[place], self._items[-1] = self._items[-1], self._items[place]
                taken.append(self._items.pop())
            return taken

    def close(self) -> None:
        """Nothing more will come: what is under way can still be taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()


def stream_records(client: Any, arn: str, ended: Event) -> Iterator[list[dict[str, Any]]]:
    """The records of a table's stream, page by page, until nothing more comes after *ended*."""
    iterators: dict[str, str | None] = {}
    while True:
        is_last = ended.is_set()
        for shard in client.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]:
            if shard["ShardId"] not in iterators:
                iterators[shard["ShardId"]] = beginning(client, arn, shard["ShardId"])
        found = False
        for shard_id, iterator in iterators.items():
            if iterator is None:
                continue
            try:
                page = client.get_records(ShardIterator=iterator, Limit=1000)
            except client.exceptions.TrimmedDataAccessException:
                # DynamoDB Local raises it for an iterator made while the shard was empty.
                iterators[shard_id] = beginning(client, arn, shard_id)
                continue
            iterators[shard_id] = page.get("NextShardIterator")
            found = found or bool(page["Records"])
            yield page["Records"]
        if not found:
            if is_last:
                return
            ended.wait(POLL)


def beginning(client: Any, arn: str, shard_id: str) -> str:
    """An iterator over all of a shard."""
    answer = client.get_shard_iterator(
        StreamArn=arn, ShardId=shard_id, ShardIteratorType="TRIM_HORIZON"
    )
    iterator: str = answer["ShardIterator"]
    return iterator

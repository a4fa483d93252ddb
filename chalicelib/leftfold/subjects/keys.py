"""The ports of the vault: the table of data keys, and the service that wraps the first of them.

A subject has one data key, and each data key is wrapped by the stage's wrapping key, which the
key service (KMS) alone can unwrap. A subject is named with its tenant: `main/account:17`.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple, Protocol

# A data key, and the wrapping key: AES-256.
KEY_BYTES = 32


class Erasure(NamedTuple):
    """That a subject is forgotten: since when, by whom, and why.

    *report* is None until everything that showed its data is gone.
    """

    subject: str
    at: str
    by: str
    reason: str
    report: Mapping[str, Any] | None = None


class Part(NamedTuple):
    """What one application has done about an erasure, since no process has the key any longer.

    *through* is the last stream whose rows were folded again, *places* counts what was found, and
    *changed* is when a row was changed last; "" if none had to be.
    """

    through: str | None
    places: Mapping[str, int]
    changed: str = ""
    finished: bool = False


class DataKey(NamedTuple):
    """The key of a subject as it is kept: *wrapped* is None once the subject is forgotten."""

    wrapped: bytes | None


class DataKeys(Protocol):
    """The table of data keys, of erasures, and of the streams that hold a subject's data."""

    def wrapping_key(self, made: bytes | None = None) -> bytes | None:
        """The stage's wrapping key, as the key service has wrapped it.

        If there is none, *made* becomes it. All callers get the same one.
        """

    def find(self, subjects: Collection[str]) -> dict[str, DataKey]:
        """The keys of those subjects that have or had one, read consistently."""

    def add(self, subject: str, wrapped: bytes) -> DataKey:
        """Makes *wrapped* the subject's key, unless it has one or is forgotten. Returns what it has."""

    def add_stream(self, subject: str, aggregate_id: str) -> None:
        """Notes that a stream holds, or is about to hold, data of the subject."""

    def streams(self, subject: str) -> Iterator[str]:
        """All streams that were noted for the subject, in the order of their names."""

    def erase(self, erasure: Erasure) -> Erasure | None:
        """Destroys the subject's key and keeps the mark of its erasure, in one write.

        Returns the first erasure of the subject, which is this one if there was none before;
        None if the subject never had a key. No key can be added to it from here on.
        """

    def erasure(self, subject: str) -> Erasure | None:
        """The subject's erasure; None if it is not forgotten."""

    def unfinished(self) -> Iterator[Erasure]:
        """The erasures without a report."""

    def finish(self, subject: str, report: Mapping[str, Any]) -> None:
        """Adds the report to the subject's erasure. Only the first report counts."""

    def join(self, application: str) -> None:
        """Notes an application, which has rows of its own: no erasure is finished without it."""

    def leave(self, application: str) -> None:
        """Forgets an application, whose rows are gone."""

    def applications(self) -> Collection[str]:
        """The applications that have joined and not left, in order."""

    def keep_part(self, subject: str, application: str, part: Part) -> None:
        """Keeps how far an application is with the subject's erasure."""

    def parts(self, subject: str) -> Mapping[str, Part]:
        """How far each application is with the subject's erasure, by its name."""


class KeyService(Protocol):
    """Makes and unwraps the wrapping key. Raises `Unavailable` and `CallRefusedError`."""

    def generate(self) -> tuple[bytes, bytes]:
        """A new key: plain, and wrapped."""

    def unwrap(self, wrapped: bytes) -> bytes:
        """The key that *wrapped* is."""

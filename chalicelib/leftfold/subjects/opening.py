"""Who opens personal data: the port, and those who have no keys. The vault is in `vault`.

A module of its own, because views import it, and most of them need no vault.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from chalicelib.leftfold.kernel import Commit

Binding = tuple[Any, ...]


class Opener(Protocol):
    """Opens the personal data of commits."""

    def opened(self, commits: Sequence[Commit]) -> Sequence[Commit]:
        """The commits with plain events: `erased` stands for what was of a forgotten subject.

        An event stays sealed if its key is lost, or if its text is not of its place: its codec
        then raises `SealedError`. Raises `Unavailable`.
        """

    def open_whole(
        self, tenant: str, subjects: Iterable[str], binding: Binding, text: str
    ) -> str | None:
        """What `Vault.seal_whole` has sealed; None if it does not open."""

    def present(self, tenant: str, subjects: Iterable[str]) -> frozenset[str]:
        """Those of the subjects that are not forgotten, as far as the opener opens their data."""


class Closed:
    """An opener without keys: a codec then refuses an event with personal data."""

    def opened(self, commits: Sequence[Commit]) -> Sequence[Commit]:
        return commits

    def open_whole(
        self, _tenant: str, _subjects: Iterable[str], _binding: Binding, _text: str
    ) -> str | None:
        return None

    def present(self, _tenant: str, _subjects: Iterable[str]) -> frozenset[str]:
        return frozenset()


class Blind(Closed):
    """An opener for those who are to see `erased` in every personal field."""

    def opened(self, commits: Sequence[Commit]) -> Sequence[Commit]:
        return [commit.blind() for commit in commits]


CLOSED, BLIND = Closed(), Blind()

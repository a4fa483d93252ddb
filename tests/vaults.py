"""Vaults over memory, for tests."""

from collections.abc import Callable
from typing import Self

from chalicelib.leftfold.subjects.memory import MemoryKeys, MemoryKeyService
from chalicelib.leftfold.subjects.vault import Vault

# The keys of tests that forget nobody: what one vault has sealed, the others open.
_SHARED = MemoryKeys()


class TestVault(Vault):
    """A vault that a copy of a world shares with the world: its keys stay where they are."""

    __test__ = False

    def __deepcopy__(self, _: object) -> Self:
        return self


def vault_of(keys: MemoryKeys | None = None, now: Callable[[], float] = lambda: 0.0) -> Vault:
    """A process's vault with *keys*, or with those that all such tests share."""
    return TestVault(keys or _SHARED, MemoryKeyService(), now)

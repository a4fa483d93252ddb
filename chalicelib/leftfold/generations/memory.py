"""Control in memory, for simulations and tests."""

from chalicelib.leftfold.generations.control import Control
from chalicelib.leftfold.store.memory import OwnLock


class MemoryControl:
    """`ControlTable` in memory."""

    def __init__(self) -> None:
        self._control: Control | None = None
        self._lock = OwnLock()

    def read(self) -> Control | None:
        with self._lock:
            return self._control

    def change(self, old: Control | None, new: Control) -> bool:
        with self._lock:
            if self._control != old:
                return False
            self._control = new
            return True

"""The index of a packaged domain: where each view, each policy and each route is.

To find a reader among all contexts, a function would have to import them all, which takes longer
than everything else that it imports. `leftfold package` writes down where each reader is, and each
route of the API.
"""

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

from chalicelib.leftfold.kernel import Announcer, Domain, Policy, View

T = TypeVar("T")

# `leftfold package` makes this file; a plain `chalice package` does not.
INDEX = Path(__file__).parents[2] / "domain.json"


@cache
def packaged() -> Mapping[str, Any] | None:
    """The index of the package that this process runs; None where the code is not packaged."""
    if not INDEX.exists():
        return None
    index: Mapping[str, Any] = json.loads(INDEX.read_text())
    return index


def indexed(load: Callable[[], Domain]) -> Domain:
    """The domain that *load* returns; a packaged one imports only the parts that are used."""
    index = packaged()
    return load() if index is None else IndexedDomain(index, load)


class Indexed(Mapping[str, T]):
    """Parts of a domain by name. Their names are known, and each is imported when it is used.

    *index* has the import path of each, as `module:attribute`, or None for a part that is no
    module's attribute: that is one of *whole*, the parts of all contexts.
    """

    def __init__(
        self, index: Mapping[str, str | None], whole: Callable[[], Mapping[str, T]]
    ) -> None:
        self._index = index
        self._whole = whole

    def __getitem__(self, name: str) -> T:
        path = self._index[name]
        if path is None:
            return self._whole()[name]
        module, _, attribute = path.partition(":")
        part: T = getattr(import_module(module), attribute)
        return part

    def __contains__(self, name: object) -> bool:
        return name in self._index

    def __iter__(self) -> Iterator[str]:
        return iter(self._index)

    def __len__(self) -> int:
        return len(self._index)


class IndexedDomain(Domain):
    """A domain whose views and policies are imported one by one, from the paths in *index*.

    Whoever asks for anything else of it imports all of its contexts, by *load*.
    """

    def __init__(self, index: Mapping[str, Any], load: Callable[[], Domain]) -> None:
        self.views: Mapping[str, View] = Indexed(index["views"], lambda: load().views)
        self.policies: Mapping[str, Policy | Announcer] = Indexed(
            index["policies"], lambda: load().policies
        )
        self.fed_by_bus: Collection[str] = index["fedByBus"]
        self._load = load

    def __getattr__(self, name: str) -> Any:
        # Python calls it for an attribute that was not set above.
        return getattr(self._load(), name)

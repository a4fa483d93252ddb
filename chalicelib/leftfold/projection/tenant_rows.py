"""The rows of one view that belong to one tenant."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from chalicelib.leftfold.projection.rows import RowStore, StoredRow
from chalicelib.leftfold.store.tenants import check_own

if TYPE_CHECKING:
    from chalicelib.leftfold.projection.search import Found, SearchRows


@dataclass(frozen=True)
class TenantRows:
    """Reads the rows of *tenant* in a view's store, and no others."""

    rows: RowStore
    tenant: str

    def load(self, keys: Collection[str]) -> dict[str, StoredRow]:
        """Each key's row. Raises `OtherTenantError` for a key of another tenant."""
        check_own(self.tenant, *keys)
        return self.rows.load(keys)

    def find(
        self, query: dict[str, Any], sort: list[Any], after: list[Any] | None, size: int
    ) -> "Found":
        """The tenant's rows of a search view that match *query*, as `SearchRows.find` has them."""
        return cast("SearchRows", self.rows).find(self.tenant, query, sort, after, size)

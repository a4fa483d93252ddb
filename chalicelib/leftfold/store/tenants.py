"""The streams of one tenant: every way to them checks whose they are."""

from collections.abc import Sequence
from dataclasses import dataclass

from chalicelib.leftfold.kernel import Commit
from chalicelib.leftfold.kernel.aggregate import is_of
from chalicelib.leftfold.store.ports import Page, Streams


class OtherTenantError(Exception):
    """A request of one tenant would have reached what belongs to another: a fault of our code."""


def check_own(tenant: str, *keys: str) -> None:
    """Raises `OtherTenantError` unless all *keys*, of streams or rows, are of *tenant*."""
    for key in keys:
        if not is_of(tenant, key):
            raise OtherTenantError(f"{key!r} is not of the tenant {tenant!r}")


@dataclass(frozen=True)
class TenantStreams:
    """Reads the streams of *tenant*, and no others."""

    streams: Streams
    tenant: str

    def newest(
        self,
        aggregate_id: str,
        *,
        limit: int | None = None,
        below: int | None = None,
        consistent: bool = False,
    ) -> Page:
        check_own(self.tenant, aggregate_id)
        return self.streams.newest(aggregate_id, limit=limit, below=below, consistent=consistent)

    def range(self, aggregate_id: str, first: int, last: int) -> Sequence[Commit]:
        check_own(self.tenant, aggregate_id)
        return self.streams.range(aggregate_id, first, last)

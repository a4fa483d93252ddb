"""What a request of one tenant may use of the services."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from chalicelib.leftfold.commands.handler import CommandRequest
from chalicelib.leftfold.commands.owning import Successor
from chalicelib.leftfold.commands.reading import KnownStates, TenantStates
from chalicelib.leftfold.kernel import Commit, View
from chalicelib.leftfold.kernel.aggregate import is_of
from chalicelib.leftfold.kernel.repair import Repairs
from chalicelib.leftfold.store.ports import Streams
from chalicelib.leftfold.store.tenants import TenantStreams, check_own
from chalicelib.leftfold.subjects.opening import Opener
from chalicelib.leftfold.wiring.services import Services

if TYPE_CHECKING:
    from chalicelib.leftfold.projection.rows import StoredRow
    from chalicelib.leftfold.projection.tenant_rows import TenantRows
    from chalicelib.leftfold.store.following import Followed


@dataclass(frozen=True)
class TenantServices:
    """The services of the application, as far as they reach *tenant*'s own streams and rows.

    A route has nothing else, so it cannot forget whose data it reads or changes: a key of another
    tenant raises `OtherTenantError`, and a search never finds a row of another.
    """

    services: Services
    tenant: str

    @property
    def events(self) -> Streams:
        return TenantStreams(self.services.events, self.tenant)

    @property
    def states(self) -> KnownStates:
        return TenantStates(self.services.states, self.tenant)

    @property
    def vault(self) -> Opener:
        """Opens the personal data of commits that the tenant has read."""
        return self.services.vault

    @property
    def views(self) -> Mapping[str, View]:
        return self.services.views

    @property
    def repairs(self) -> Repairs:
        """The repairs of commits that the tenant has read: a repair is found by its commit."""
        return self.services.repairs

    def rows(self, view: str) -> "TenantRows":
        """The rows of a view."""
        from chalicelib.leftfold.projection.tenant_rows import TenantRows

        return TenantRows(self.services.rows(view), self.tenant)

    def execute(self, request: CommandRequest) -> int:
        """The version that a command makes; raises what `CommandHandler.execute` raises."""
        check_own(self.tenant, request.aggregate_id)
        return self.services.handler.execute(request)

    def found_in(
        self, request: CommandRequest, successors: Sequence[Successor]
    ) -> tuple[str, int] | None:
        """Where a command was taken whose aggregate has moved, as `CommandHandler.found_in` says."""
        check_own(self.tenant, *(successor.aggregate_id for successor in successors))
        return self.services.handler.found_in(request, successors)

    def row(self, view: str, stream: str, version: int | None) -> "StoredRow":
        """The row of a stream in *view*, with *version* in it if one is given.

        It is folded ahead of a view that is a little behind, and a view that is further behind is
        waited for; raises what `wait` raises then.
        """
        check_own(self.tenant, stream)
        if version is not None:
            found = self.services.ahead(view).row(stream, version)
            if found is not None:
                return found
            self.wait(view, stream, version)
        return self.services.rows(view).load([stream])[stream]

    def wait(self, view: str, stream: str, version: int) -> None:
        """Waits until *view* shows the version of the stream, as `Freshness.wait` does.

        Raises `TooManyRequestsError` if as many requests of the tenant wait as may.
        """
        check_own(self.tenant, stream)
        seats, freshness = self.services.wait_seats, self.services.freshness
        freshness.wait(self.views[view], stream, version, seat=lambda: seats.seat(self.tenant))

    def end(self) -> int:
        """The position that the next commit of any tenant will have; a route never shows it."""
        return self.services.log.head().next_position

    def since(self, at: str) -> int:
        """A position from which on the log has what was made at *at* or later (`Follower.since`)."""
        return self.services.follower.since(at)

    def page(
        self,
        position: int,
        limit: int,
        wanted: Callable[[Commit], bool],
        seconds: float,
        blocks: int,
    ) -> "Followed":
        """The tenant's own commits of the log from *position* on, as `Follower.page` has them."""
        return self.services.follower.page(
            position,
            limit,
            lambda commit: is_of(self.tenant, commit.aggregate_id) and wanted(commit),
            seconds,
            blocks,
        )

    def seal(self, content: bytes, bound: str) -> str:
        """Opaque text of *content* for the tenant alone, which opens with the same *bound* text."""
        return self.services.cursors.close(content, [self.tenant, bound])

    def unsealed(self, text: str, bound: str) -> bytes:
        """The content of *text*. Raises `BrokenSealError`, a ValueError."""
        return self.services.cursors.open(text, [self.tenant, bound])

    def clock(self) -> datetime:
        return self.services.clock()

"""The services of a truth's functions, which work for every application of the truth.

A view of an application is called `APPLICATION/VIEW` here, because each application has rows and
checkpoints of its own. A policy is called by its name alone: all applications share how far it is.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Literal, Unpack

from chalicelib.leftfold.kernel import Domain
from chalicelib.leftfold.store.applications import Known
from chalicelib.leftfold.store.ports import Checkpoints, Parking, Waker
from chalicelib.leftfold.store.readers import Reader
from chalicelib.leftfold.wiring.parts import Parts
from chalicelib.leftfold.wiring.services import Services
from chalicelib.leftfold.wiring.settings import FUNCTIONS_OF_TRUTH, Settings

# A new application is found within so long.
REMEMBERED = timedelta(seconds=10)


@dataclass(frozen=True)
class ReaderOf:
    """A reader of an application, which is *called* so there; its names among all of the truth's."""

    name: str
    stored_name: str
    fed: Literal["bus", "log"]
    categories: tuple[str, ...]
    application: str
    called: str


class TruthServices(Services):
    """The services of the functions relay, sweeper, `log_grew` and archive."""

    def __init__(self, settings: Settings, **parts: Unpack[Parts]) -> None:
        super().__init__(settings, Domain(()), **parts)
        self._remembered: tuple[datetime, Known, bool] | None = None

    @property
    def known(self) -> Known:
        """The applications, as they were at most `REMEMBERED` ago."""
        return self.recent[1]

    @property
    def recent(self) -> tuple[datetime, Known, bool]:
        """When the applications were read, they, and whether the generation acted then."""
        if isinstance(self.whole, TruthServices) and self.whole is not self:
            return self.whole.recent
        now = self.clock()
        if self._remembered is None or now - self._remembered[0] > REMEMBERED:
            self._remembered = now, self.applications.known(), self.acts()
        return self._remembered

    @property
    def readers(self) -> Sequence[Reader]:
        """The views of every application, and the policies of the active one, if they act."""
        return list(self._readers())

    @property
    def followers(self) -> Sequence[Reader]:
        """The readers that are woken when the log grows.

        The bus feeds the active application alone, because a shard bears few readers. All views
        of other applications follow the log.
        """
        active = self.known.active
        return [r for r in self._readers() if r.fed == "log" or r.application != active]

    @property
    def pruning_waits_for(self) -> Sequence[Reader]:
        """The readers of the active application. All others read the segments."""
        return [r for r in self._readers() if r.application == self.known.active]

    def measured_as(self, reader: Reader) -> Mapping[str, str]:
        """The dimensions of the reader's metrics: those that the alarms of its application have."""
        return next(
            {"stack": each.application, "view": each.called}
            for each in self._readers()
            if each.name == reader.name
        )

    @cached_property
    def checkpoints(self) -> Checkpoints:
        from chalicelib.leftfold.store.checkpoints import DynamoCheckpoints, RoutedCheckpoints

        def route(reader: str) -> tuple[Checkpoints, str]:
            table, name = self._place(reader, "checkpoints")
            return DynamoCheckpoints(self.dynamodb, table, self.settings.log), name

        return RoutedCheckpoints(route)

    @cached_property
    def parking(self) -> Parking:
        from chalicelib.leftfold.store.checkpoints import DynamoParking, RoutedParking

        def route(reader: str) -> tuple[Parking, str]:
            table, name = self._place(reader, "parked")
            return DynamoParking(self.dynamodb, table), name

        def stores() -> Iterator[tuple[str, Parking]]:
            for begins in ("", *(f"{name}/" for name in self.known.applications)):
                yield begins, route(begins)[0]

        return RoutedParking(route, stores)

    @cached_property
    def waker(self) -> Waker:
        from chalicelib.leftfold.relay.waker import LambdaWaker

        return LambdaWaker(self.lambda_client, self.function_of, self.settings.log)

    def function_of(self, name: str) -> str:
        """The name of the function of a reader, or of one of the truth's own."""
        application, _, view = name.rpartition("/")
        if application:
            return f"{application}-{view}"
        if name in FUNCTIONS_OF_TRUTH:
            return self.settings.function(name)
        return f"{self.known.active}-{name}"

    def _place(self, reader: str, kept: str) -> tuple[str, str]:
        """The table of a reader's checkpoints or parked streams, and its name in that table."""
        application, _, name = reader.rpartition("/")
        if application:
            return f"{application}-view-{kept}", name
        return self.settings.named(f"policy-{kept}"), name

    def _readers(self) -> Iterator[ReaderOf]:
        _, known, acts = self.recent
        for application in known.applications.values():
            for each in application.readers:
                if each.kind != "view" and application.name != known.active:
                    continue
                # An announcer goes on: nobody else announces what its own generation has made.
                if each.kind == "policy" and not acts:
                    continue
                within = f"{application.name}/" if each.kind == "view" else ""
                yield ReaderOf(
                    f"{within}{each.name}",
                    f"{within}{each.stored_name}",
                    each.fed,
                    each.categories,
                    application.name,
                    each.name,
                )

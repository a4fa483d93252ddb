"""The app over memory with its policies: what a request sets off is done when views settle."""

from chalicelib import wiring
from chalicelib.contexts.registry import POLICIES
from chalicelib.projection.acting import Acting
from chalicelib.projection.mailing import NoMailer
from chalicelib.projection.partitioned import PartitionedRunner
from chalicelib.store.memory import MemoryEffects
from tests.http.conftest import Bank, still

YEARS = ("close_journals", "gather_year")


class Books(Bank):
    """A bank whose ledgers close their years."""

    def settle(self) -> None:
        """Takes all steps of workflows, and brings everything into the views."""
        written = -1
        while written != self.written():
            written = self.written()
            super().settle()
            for name in YEARS:
                self.runner(name).catch_up(1000)

    def runner(self, policy: str) -> PartitionedRunner:
        """The runner of a policy: one stream after another."""
        handler = wiring.services().handler
        effects = MemoryEffects(self.clock)
        work = Acting(POLICIES[policy], handler, effects, NoMailer(), "test", still, map)
        return PartitionedRunner(work, self.log, self.checkpoints, self.parking, still)

"""The app over memory with its policies: what a request sets off is done when views settle."""

from chalicelib.domain import DOMAIN
from chalicelib.leftfold.kernel import Policy
from chalicelib.leftfold.policies.mailing import NoMailer
from chalicelib.leftfold.policies.work import PolicyWork
from chalicelib.leftfold.projection.partitioned import PartitionedRunner
from chalicelib.leftfold.store.memory import MemoryEffects
from chalicelib.leftfold.wiring import process
from tests.application import still
from tests.http.conftest import Bank

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
        handler = process.services().handler
        effects = MemoryEffects(self.clock)
        chosen = DOMAIN.policies[policy]
        assert isinstance(chosen, Policy)
        vault = handler.vault
        work = PolicyWork(chosen, handler, effects, NoMailer(), "test", still, map, vault)
        return PartitionedRunner(work, self.log, self.checkpoints, self.parking, still)

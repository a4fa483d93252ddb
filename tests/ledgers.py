"""The app over memory with its policies: whatever a request sets off is done at once."""

from chalicelib import wiring
from chalicelib.contexts.registry import POLICIES
from tests.http.conftest import Bank
from tests.workflow import Workflow

YEARS = ("close_journals", "gather_year")


class Books(Bank):
    """A bank whose ledgers close their years."""

    def __post_init__(self) -> None:
        super().__post_init__()
        handler = wiring.services().handler
        self.workflow = Workflow(self.events, handler, [POLICIES[name] for name in YEARS])

    def settle(self) -> None:
        """Takes all steps of workflows, and brings everything into the views."""
        self.workflow.run()
        super().settle()

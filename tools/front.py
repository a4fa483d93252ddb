"""The front: a stage's stable address, which leads to the active application.

A stage with a domain has a stack of its own for it, whose mapping moves. Without one, the addresses
that an application had are those of its API, and an application that was left sends requests on.
"""

from collections.abc import Collection
from dataclasses import dataclass

from tools.cloud import DeployError
from tools.deploy import Deployed, find, let_console_sign_in, read
from tools.resources import FRONT_TEMPLATE
from tools.stacks import Stacks
from tools.stages import Stage
from tools.uploading import Uploads


@dataclass(frozen=True)
class Front:
    """The front of a stage."""

    stage: Stage
    stacks: Stacks

    @property
    def stack(self) -> str:
        """The name of the stack that has the stage's domain."""
        return f"{self.stage.prefix}-front"

    def lead_to(self, app: str, others: Collection[str], left: str | None = None) -> str:
        """Leads the stage's address to the application *app*; returns that address.

        One update of one mapping moves a domain, so each request goes to one application or to the
        other. Without a domain, the application that was *left* sends requests on, as does each
        of the *others* that did so before. Killed, it may be run again. Raises DeployError.
        """
        if not self.stage.domain and self.leads_to():
            raise DeployError(
                f"{self.stack} has a domain, and the stage has none in infra/stages.toml; set it there, or"
                f" delete the stack: aws cloudformation delete-stack --stack-name {self.stack}"
            )
        # First, so that no two applications ever send requests to each other.
        self.stacks.change(app, {"MovedTo": ""})
        deployed = find(app, self.stacks.cloud)
        address = self._map_domain(deployed) if self.stage.domain else ""
        for other in others:
            if other != app and (other == left or self.stacks.parameters(other).get("MovedTo")):
                self.stacks.change(other, {"MovedTo": "" if address else deployed.url})
        return address or deployed.url

    def _map_domain(self, deployed: Deployed) -> str:
        """Maps the domain to an API, and lets people sign in there; its address."""
        stacks = self.stacks
        told = {"Application": deployed.stack, "RestApi": deployed.outputs["RestAPIId"]}
        template = Uploads(stacks.cloud, self.stage.prefix).template(read(FRONT_TEMPLATE))
        stacks.bring(self.stack, template, {**self.stage.parameters, **told})
        address = f"https://{self.stage.domain}"
        let_console_sign_in(self.stage, stacks, address)
        return address

    def leave(self, app: str) -> None:
        """Leads the domain nowhere, if it leads to *app*. The domain stays, as does its DNS record."""
        if self.stacks.parameters(self.stack).get("Application") == app:
            self.stacks.change(self.stack, {"Application": "", "RestApi": ""})

    def leads_to(self) -> str | None:
        """The application that the stage's domain leads to."""
        return self.stacks.parameters(self.stack).get("Application") or None

    def delete(self) -> None:
        """Deletes the domain."""
        self.stacks.delete(self.stack)

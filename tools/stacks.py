"""CloudFormation's stacks: what would change, the change itself, and the end of a stack."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from tools.cloud import Cloud, DeployError, explained
from tools.engines import Progress
from tools.warm import keep_warm

NO_CHANGES = ("didn't contain changes", "No updates are to be performed")
CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]
SECONDS = 0.5


@dataclass(frozen=True)
class Change:
    """One resource that a change set adds, modifies or removes."""

    action: str
    resource: str
    kind: str
    replaced: bool

    @property
    def loses(self) -> bool:
        """Whether the resource that is there now goes, with what is in it."""
        return self.replaced or self.action == "Remove"


# Whether the changes of a stack are wanted.
Ask = Callable[[str, Sequence[Change]], bool]


def wanted(_stack: str, _changes: Sequence[Change]) -> bool:
    """Every change is wanted."""
    return True


@dataclass(frozen=True)
class Stacks:
    """The stacks of an account. *ask* sees the changes of each stack before they are made.

    A change is rolled back if one of *alarms* (ARNs) goes off meanwhile.
    """

    cloud: Cloud
    report: Progress
    ask: Ask = wanted
    alarms: Sequence[str] = ()

    def find(self, stack: str) -> Any:
        """A stack as CloudFormation describes it, or None."""
        try:
            return self._formation.describe_stacks(StackName=stack)["Stacks"][0]
        except ClientError as error:
            if "does not exist" in str(error):
                return None
            raise

    def outputs(self, stack: str) -> dict[str, str]:
        """All that a stack puts out. Raises DeployError if there is no such stack."""
        with explained(self.cloud):
            found = self.find(stack)
        if found is None or "Outputs" not in found:
            raise DeployError(f"no stack {stack} is deployed; `leftfold deploy` does it")
        return {out["OutputKey"]: out["OutputValue"] for out in found["Outputs"]}

    def parameters(self, stack: str) -> dict[str, str]:
        """The parameters that a stack has now; none if there is no such stack."""
        found = self.find(stack) or {}
        return {p["ParameterKey"]: p.get("ParameterValue", "") for p in found.get("Parameters", ())}

    def bring(self, stack: str, template_url: str, given: Mapping[str, str]) -> bool:
        """Makes a stack what its template says; True if that changed anything.

        Of what is *given*, the template gets the parameters that it has; any other keeps the value
        that the stack has now. Raises DeployError; then the stack is as it was before.
        """
        change_set = self._change_set(stack, template_url, given)
        if change_set is None:
            self._keep_warm(stack)
            return False
        changes = self._changes(change_set)
        if not self.ask(stack, changes):
            self._formation.delete_change_set(ChangeSetName=change_set)
            raise DeployError(f"{stack} is left as it is")
        if int(given.get("ApiWarm", "0")):
            # The alias is there before the API calls it.
            self._keep_warm(stack, given["ApiWarm"])
        self._execute(stack, change_set, changes)
        self._keep_warm(stack)
        return True

    def change(self, stack: str, given: Mapping[str, str]) -> None:
        """Changes parameters of a stack, if it has them and they differ. Raises DeployError."""
        now = self.parameters(stack)
        differing = {key: value for key, value in given.items() if now.get(key, value) != value}
        if not differing:
            self._keep_warm(stack)
            return
        parameters = [
            {"ParameterKey": key, "ParameterValue": differing[key]}
            if key in differing
            else {"ParameterKey": key, "UsePreviousValue": True}
            for key in now
        ]
        self._formation.update_stack(
            StackName=stack,
            UsePreviousTemplate=True,
            Capabilities=CAPABILITIES,
            Parameters=parameters,
        )
        while (status := self.find(stack)["StackStatus"]).endswith("_IN_PROGRESS"):
            self.report(f"deploy: {stack} {status}")
            time.sleep(SECONDS)
        if status != "UPDATE_COMPLETE":
            raise DeployError(f"{stack} could not be changed, and is as it was before: {status}")
        self._keep_warm(stack)

    def _keep_warm(self, stack: str, count: str | None = None) -> None:
        """Has requests served by the API's function as it is now, if the stack has one, and *count*
        processes of it ready, by default as many as the stack says.

        Also where nothing has changed: whoever changed it may have been killed before this.
        """
        found = self.find(stack) or {}
        made = {out["OutputKey"]: out["OutputValue"] for out in found.get("Outputs", ())}
        if function := made.get("APIHandlerName"):
            ready = int(count or made["ApiWarm"])
            keep_warm(self.cloud, function, ready, made["RestAPIId"], self.report)

    def delete(self, stack: str) -> None:
        """Deletes a stack, if there is one. Raises DeployError if a resource stays that should go."""
        found = self.find(stack)
        if found is None:
            return
        # By its id, since a stack that is deleted is found by its id alone.
        stack_id = found["StackId"]
        self._formation.delete_stack(StackName=stack_id)
        while True:
            status = self.find(stack_id)
            if status is None or status["StackStatus"] == "DELETE_COMPLETE":
                return
            if not status["StackStatus"].endswith("_IN_PROGRESS"):
                reason = status.get("StackStatusReason", status["StackStatus"])
                raise DeployError(f"{stack} cannot be deleted: {reason}")
            self.report(f"destroy: {stack} {status['StackStatus']}")
            time.sleep(SECONDS)

    @property
    def _formation(self) -> Any:
        return self.cloud.client("cloudformation")

    def _change_set(self, stack: str, template_url: str, given: Mapping[str, str]) -> str | None:
        """A change set that is ready to be executed, or None if it would change nothing."""
        formation = self._formation
        found = self.find(stack)
        status = found["StackStatus"] if found else "REVIEW_IN_PROGRESS"
        if status == "ROLLBACK_COMPLETE":
            raise DeployError(
                f"the first deployment of {stack} failed and left an empty stack; delete it:"
                f" aws cloudformation delete-stack --stack-name {stack}"
            )
        if status.endswith("_IN_PROGRESS") and status != "REVIEW_IN_PROGRESS":
            raise DeployError(f"another deployment of {stack} is running; wait for it")
        triggers = [{"Arn": arn, "Type": "AWS::CloudWatch::Alarm"} for arn in self.alarms]
        made: str = formation.create_change_set(
            StackName=stack,
            ChangeSetName=f"leftfold-{time.time_ns()}",
            ChangeSetType="CREATE" if status == "REVIEW_IN_PROGRESS" else "UPDATE",
            TemplateURL=template_url,
            Capabilities=CAPABILITIES,
            Parameters=list(self._given(stack, template_url, given)),
            **({"RollbackConfiguration": {"RollbackTriggers": triggers}} if triggers else {}),
        )["Id"]
        while True:
            planned = formation.describe_change_set(ChangeSetName=made)
            if planned["Status"] == "CREATE_COMPLETE":
                return made
            if planned["Status"] == "FAILED":
                reason = planned.get("StatusReason", "")
                formation.delete_change_set(ChangeSetName=made)
                if any(text in reason for text in NO_CHANGES):
                    return None
                raise DeployError(f"CloudFormation refused the template of {stack}: {reason}")
            time.sleep(SECONDS)

    def _given(
        self, stack: str, template_url: str, given: Mapping[str, str]
    ) -> Iterator[dict[str, Any]]:
        kept = self.parameters(stack)
        takes = self._formation.get_template_summary(TemplateURL=template_url)["Parameters"]
        for key in (parameter["ParameterKey"] for parameter in takes):
            if key in given:
                yield {"ParameterKey": key, "ParameterValue": given[key]}
            elif key in kept:
                yield {"ParameterKey": key, "UsePreviousValue": True}

    def _changes(self, change_set: str) -> list[Change]:
        pages = self._formation.get_paginator("describe_change_set").paginate(
            ChangeSetName=change_set
        )
        found = (change["ResourceChange"] for page in pages for change in page["Changes"])
        return [
            Change(
                change["Action"],
                change["LogicalResourceId"],
                change["ResourceType"],
                # "Conditional" says that CloudFormation will see: it may be replaced.
                change.get("Replacement", "False") != "False" and change["Action"] == "Modify",
            )
            for change in found
        ]

    def _execute(self, stack: str, change_set: str, changes: Sequence[Change]) -> None:
        waiting = {change.resource for change in changes}
        total = len(waiting)
        seen: set[str] = set(self._events(stack))
        self._formation.execute_change_set(ChangeSetName=change_set)
        failures: list[str] = []
        while True:
            status = self.find(stack)["StackStatus"]
            for key, event in self._events(stack).items():
                if key not in seen:
                    seen.add(key)
                    name, state = event["LogicalResourceId"], event["ResourceStatus"]
                    if state.endswith("_FAILED"):
                        failures.append(f"{name}: {event.get('ResourceStatusReason', state)}")
                    if state.endswith("_COMPLETE"):
                        waiting.discard(name)
                    done = f"{total - len(waiting)} of {total} resources"
                    self.report(f"deploy: {stack}: {done}: {name} {state}")
            if not status.endswith("_IN_PROGRESS"):
                break
            time.sleep(SECONDS)
        if status not in {"CREATE_COMPLETE", "UPDATE_COMPLETE"}:
            first = failures[0] if failures else status
            raise DeployError(f"the deployment of {stack} failed and was rolled back; {first}")

    def _events(self, stack: str) -> dict[str, Any]:
        """The stack's newest events by their id, oldest first."""
        newest = self._formation.describe_stack_events(StackName=stack)["StackEvents"]
        return {event["EventId"]: event for event in reversed(newest)}

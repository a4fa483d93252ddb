"""Control: which of two generations is active. One item a stage, changed by compare-and-set."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

from chalicelib.leftfold.kernel.commit import canonical
from chalicelib.leftfold.store.dynamo import translated

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

State = Literal["alone", "replicating", "switching", "finished", "abandoned"]
KEY = {"stage": {"S": "control"}}


class Control(NamedTuple):
    """The generations *blue* and *green*, by name, and what is done about them.

    *switch* is the number of the last switch, 0 before the first one. After an odd one green is
    active, after an even one blue is. Names are never used again: *past* has all earlier ones.
    """

    blue: str
    green: str | None = None
    state: State = "alone"
    switch: int = 0
    past: tuple[str, ...] = ()

    @property
    def active(self) -> str:
        """The generation that takes commands on streams that nobody has taken yet, and whose
        policies and deadlines run.
        """
        if self.green is not None and self.switch % 2:
            return self.green
        return self.blue


class WrongStateError(Exception):
    """Control does not allow the step now."""


# What an operator can do in each state.
NEXT: Mapping[State, str] = {
    "alone": "`leftfold generation create NAME --transform` begins a change",
    "replicating": "`leftfold generation switch` comes first, and `abandon` ends it",
    "switching": "`leftfold generation back` and `switch` lead to and fro, and `finish` ends it",
    "finished": "`leftfold generation create NAME --transform` begins another change",
    "abandoned": "`leftfold generation create NAME --transform` begins another change",
}


def wrong(control: "Control", what: str) -> WrongStateError:
    """The error of a step that control does not allow: what is wrong, and what can be done."""
    return WrongStateError(f"control is {control.state}: {what}; {NEXT[control.state]}")


class ControlTable(Protocol):
    """Where control is kept."""

    def read(self) -> Control | None:
        """Control, read consistently; None before the first `change`."""

    def change(self, old: Control | None, new: Control) -> bool:
        """Sets control to *new* if it still is *old*; False if it is not."""


def created(control: Control, green: str) -> Control:
    """Control once *green* is being filled from the active generation."""
    blue = control.active
    names = {control.blue, *filter(None, [control.green]), *control.past}
    if control.state in ("replicating", "switching"):
        raise WrongStateError(
            f"{control.green} is {control.state}; finish or abandon it before another is created"
        )
    if green in names:
        raise WrongStateError(f"the name {green!r} was used before; choose another one")
    past = tuple(sorted(names - {blue}))
    return Control(blue, green, "replicating", 0, past)


def switched(control: Control) -> Control:
    """Control once the next switch is under way: there, back, there again."""
    if control.state not in ("replicating", "switching"):
        raise wrong(control, "there is nothing to switch")
    return control._replace(state="switching", switch=control.switch + 1)


def abandoned(control: Control) -> Control:
    """Control once green is given up, without a trace in blue."""
    if control.state != "replicating":
        raise wrong(
            control, "only a generation that is replicating, and has no stream, can be abandoned"
        )
    return control._replace(state="abandoned")


def finished(control: Control) -> Control:
    """Control once every stream has been taken."""
    if control.state != "switching":
        raise wrong(control, "there is no switch to finish")
    return control._replace(state="finished")


def number_of(table: ControlTable) -> int:
    """The number of the last switch, read consistently; 0 before the first one."""
    control = table.read()
    return 0 if control is None else control.switch


class DynamoControl:
    """`ControlTable` on one item of a DynamoDB table with the key `stage`."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def read(self) -> Control | None:
        with translated():
            item = self._client.get_item(TableName=self._table, Key=KEY, ConsistentRead=True).get(
                "Item"
            )
        return None if item is None else control_of(item["control"]["S"])

    def change(self, old: Control | None, new: Control) -> bool:
        condition: dict[str, object] = {"ConditionExpression": "attribute_not_exists(stage)"}
        if old is not None:
            condition = {
                "ConditionExpression": "control = :old",
                "ExpressionAttributeValues": {":old": {"S": text_of(old)}},
            }
        try:
            with translated():
                self._client.put_item(
                    TableName=self._table,
                    Item={**KEY, "control": {"S": text_of(new)}},
                    **condition,  # type: ignore[arg-type]
                )
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True


def text_of(control: Control) -> str:
    """Control as canonical JSON."""
    return canonical(control._asdict())


def control_of(text: str) -> Control:
    """The inverse of `text_of`."""
    members = json.loads(text)
    return Control(**{**members, "past": tuple(members["past"])})

"""A category of streams: its name, its rules and its storage format."""

import json
import re
import types
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple, Union, get_origin, get_type_hints

from chalicelib.leftfold.kernel.codec import Codec
from chalicelib.leftfold.kernel.commit import canonical
from chalicelib.leftfold.kernel.decider import Decider
from chalicelib.leftfold.kernel.forms import Form, form_of, name_of


@dataclass(frozen=True)
class Aggregate:
    """One kind of aggregate: its category, rules and storage format.

    *carries* are the carry-forward events. Each contains the whole state, so a commit with
    one begins an epoch, and a fold can begin there. An event that ends the aggregate's life
    is a carry-forward event too.

    Every state has the class of the decider's initial state. Raises TypeError for a class
    whose values would not come back equal from a snapshot (`forms`), and ValueError for a
    category that no aggregate id can contain.
    """

    category: str
    decider: Decider[Any, Any, Any]
    codec: Codec[Any]
    carries: tuple[type, ...] = ()
    _state: Form = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.category or set("-/") & set(self.category):
            raise ValueError(
                f"a category has neither hyphen nor slash and is not empty: {self.category!r}"
            )
        try:
            state = _form_of_state(self.decider)
        except TypeError as error:
            raise TypeError(f"the state of {self.category!r}: {error}") from error
        object.__setattr__(self, "_state", state)

    def to_snapshot(self, state: Any) -> Any:
        """The state as JSON values. Raises TypeError for one that is not of its fields' types."""
        return self._state.write(state)

    def from_snapshot(self, written: Any) -> Any:
        """The inverse of `to_snapshot`."""
        return self._state.read(written)

    def begins_epoch(self, events: Iterable[Any]) -> bool:
        """Whether a commit of these events begins an epoch."""
        return any(isinstance(event, self.carries) for event in events)

    def stream(self, key: str, tenant: str) -> str:
        """The aggregate id, `<tenant>/<category>-<key>`."""
        return str(AggregateId(tenant, self.category, key))


# The form of an aggregate id, as a regular expression that JSON Schema can use as well.
AGGREGATE_ID = "[^/]+/[^/-]+-[A-Za-z0-9-]{1,64}"
_aggregate_id = re.compile(AGGREGATE_ID)


def is_aggregate_id(text: str) -> bool:
    """Whether *text* is an aggregate id. Only then `AggregateId.parse` loses nothing of it."""
    return _aggregate_id.fullmatch(text) is not None


def is_of(tenant: str, key: str) -> bool:
    """Whether the key of a stream or of a row is one of *tenant*'s."""
    return key.startswith(f"{tenant}/")


class AggregateId(NamedTuple):
    """The parts of an aggregate id, `<tenant>/<category>-<key>`; *key* is `[A-Za-z0-9-]{1,64}`."""

    tenant: str
    category: str
    key: str

    def __str__(self) -> str:
        return f"{self.tenant}/{self.category}-{self.key}"

    # A fold asks three times for each commit, and the same streams come again and again.
    @classmethod
    @lru_cache(maxsize=16_384)
    def parse(cls, aggregate_id: str) -> "AggregateId":
        """The parts of *aggregate_id*; a category has no hyphen, a tenant no slash."""
        tenant, _, rest = aggregate_id.partition("/")
        category, _, key = rest.partition("-")
        return cls(tenant, category, key)


def _form_of_state(decider: Decider[Any, Any, Any]) -> Form:
    """The form of the decider's state. It is tried on the initial state."""
    kind = type(decider.initial)
    form = form_of(kind)
    try:
        returned = get_type_hints(decider.evolve).get("return")
    except (NameError, TypeError):
        # Some callables have no return type: then only the first snapshot shows the fault.
        returned = None
    several = get_origin(returned) in (Union, types.UnionType)
    if several or (isinstance(returned, type) and returned not in (kind, Any)):
        raise TypeError(
            f"evolve returns {name_of(returned)}, and the initial state is {name_of(kind)}: "
            "use one dataclass, with a Literal that names the case"
        )
    if form.read(json.loads(canonical(form.write(decider.initial)))) != decider.initial:
        raise TypeError(
            f"{name_of(kind)} does not come back equal from JSON: does it compare its fields?"
        )
    return form

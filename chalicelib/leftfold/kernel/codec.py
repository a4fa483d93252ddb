"""The table of stored event names: events to JSON and back, in every version."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, is_dataclass
from typing import Any, Generic, TypeVar

from chalicelib.leftfold.kernel.commit import StoredEvent
from chalicelib.leftfold.kernel.forms import Form, form_of, name_of
from chalicelib.leftfold.kernel.personal import Personal, personal_fields

E = TypeVar("E")
Json = dict[str, Any]
Upcast = Callable[[Json], Json]


@dataclass(frozen=True)
class Codec(Generic[E]):
    """The stored names of events, and the functions that read their older versions.

    *upcasts* maps (name, version) to a function that turns a body of that version into a
    body of the next version. The current version of a name is one more than its last upcast.
    Raises TypeError for an event with a field that has no JSON form (`forms`), and ValueError
    if the upcasts of a name leave out a version.
    """

    events: Mapping[str, type[E]]
    upcasts: Mapping[tuple[str, int], Upcast] = field(default_factory=dict)

    def encode(self, event: E) -> StoredEvent:
        """The stored form of *event*, in the current version of its name."""
        name = self._names[type(event)]
        return StoredEvent(name, self._current[name], self._forms[name].write(event))

    def version(self, name: str) -> int:
        """The current version of *name*: new events are stored in it."""
        return self._current[name]

    def decode(self, stored: StoredEvent) -> E:
        """The event of *stored*, upcast to the current version.

        Raises `UnknownEvent` for a name or version that this code has never written, and
        `SealedError` for an event whose personal data nobody has opened.
        """
        name, version, body, sealed = stored
        if sealed:
            raise SealedError(name, sealed)
        current = self._current.get(name)
        if current is None or not 1 <= version <= current:
            raise UnknownEvent(name, version)
        while version < current:
            body, version = self.upcasts[name, version](body), version + 1
        return self._readers[name](body)  # type: ignore[no-any-return]

    def personal(self, name: str) -> tuple[Personal, ...]:
        """The personal fields of the event *name*, in its current version."""
        return self._personal[name]

    @property
    def has_personal(self) -> bool:
        """Whether any event has a personal field."""
        return any(self._personal.values())

    def __post_init__(self) -> None:
        current = {
            name: 1 + sum(upcast[0] == name for upcast in self.upcasts) for name in self.events
        }
        missing = {
            (name, version) for name, newest in current.items() for version in range(1, newest)
        } ^ set(self.upcasts)
        if missing:
            raise ValueError(f"upcasts must be dense from version 1: {sorted(missing)}")
        fixed = object.__setattr__
        fixed(self, "_current", current)
        fixed(self, "_names", {kind: name for name, kind in self.events.items()})
        forms = {name: _form_of_event(name, kind) for name, kind in self.events.items()}
        fixed(self, "_forms", forms)
        fixed(self, "_readers", {name: form.read for name, form in forms.items()})
        fixed(
            self, "_personal", {name: personal_fields(kind) for name, kind in self.events.items()}
        )

    _current: dict[str, int] = field(init=False, repr=False, compare=False)
    _names: dict[type, str] = field(init=False, repr=False, compare=False)
    _forms: dict[str, Form] = field(init=False, repr=False, compare=False)
    _readers: dict[str, Callable[[Any], Any]] = field(init=False, repr=False, compare=False)
    _personal: dict[str, tuple[Personal, ...]] = field(init=False, repr=False, compare=False)


class UnknownEvent(Exception):  # noqa: N818 - the name says which event it is
    """A stored event whose name or version the running code does not know."""

    def __init__(self, name: str, version: int) -> None:
        super().__init__(f"no event {name!r} in version {version}")


class SealedError(Exception):
    """An event whose personal data is still sealed: no key was asked for, or none opens it."""

    def __init__(self, name: str, sealed: Iterable[str]) -> None:
        super().__init__(
            f"the event {name!r} has sealed data of {', '.join(sorted(sealed))}: a view or policy"
            " that shows it is declared with personal=True; else its key is lost, or what is"
            " stored was moved here from elsewhere"
        )


def _form_of_event(name: str, kind: type) -> Form:
    if not is_dataclass(kind):
        raise TypeError(f"the event {name!r}: {name_of(kind)} is no dataclass")
    try:
        return form_of(kind)
    except TypeError as error:
        raise TypeError(f"the event {name!r}: {error}") from error

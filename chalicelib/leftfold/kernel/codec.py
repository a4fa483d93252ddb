"""The table of stored event names: events to JSON and back, in every version (docs/adr/0020)."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, is_dataclass
from typing import Any, Generic, TypeVar

from chalicelib.leftfold.kernel.commit import StoredEvent
from chalicelib.leftfold.kernel.forms import Form, form_of, name_of
from chalicelib.leftfold.kernel.personal import Personal, personal_fields

E = TypeVar("E")
Json = dict[str, Any]
Upcast = Callable[[Json], Json | Sequence[StoredEvent]]


@dataclass(frozen=True)
class Codec(Generic[E]):
    """The stored names of events, and the functions that read their older versions.

    *upcasts* maps (name, version) to a function of a body of that version. It returns the body
    in the next version of the same name, or the `StoredEvent`s as which the event is read:
    several, none (`dropped`), or one of another name (`renamed`). These are upcast further.

    The current version of a name in *events* is one more than its last upcast. A name that
    only *upcasts* have is retired: it is read, and never written again.

    *ahead* are functions that read what a later release writes, with the types of this one: they
    return the body in the version before, or `StoredEvent`s. Such a release is deployed
    everywhere before the one that writes.

    Raises TypeError for an event with a field that has no JSON form (`forms`), and ValueError
    if the versions of a name in *upcasts* or *ahead* leave one out, or if two names have one class.
    """

    events: Mapping[str, type[E]]
    upcasts: Mapping[tuple[str, int], Upcast] = field(default_factory=dict)
    ahead: Mapping[tuple[str, int], Upcast] = field(default_factory=dict)

    def encode(self, event: E) -> StoredEvent:
        """The stored form of *event*, in the current version of its name."""
        name = self._names[type(event)]
        return StoredEvent(name, self._current[name], self._forms[name].write(event))

    def version(self, name: str) -> int:
        """The current version of *name*: new events are stored in it."""
        return self._current[name]

    def versions(self) -> dict[str, int]:
        """The newest version of each name that was ever written, retired names included."""
        newest = dict(self._current)
        for name, version in self.upcasts:
            if name not in self.events:
                newest[name] = max(version, newest.get(name, 0))
        return newest

    def reads(self) -> dict[str, int]:
        """The newest version of each name that this code reads: it reads all before it, too."""
        newest = self.versions()
        for name, version in self.ahead:
            newest[name] = max(version, newest.get(name, 0))
        return newest

    def writes(self) -> dict[str, int]:
        """The version in which this code writes each name."""
        return dict(self._current)

    def decode(self, stored: StoredEvent) -> tuple[E, ...]:
        """The events as which *stored* is read today: one, if no upcast says otherwise.

        Raises `UnknownEvent` for a name or version that this code has never written, and
        `SealedError` for an event whose personal data nobody has opened.
        """
        name, version, body, sealed = stored
        if sealed:
            raise SealedError(name, sealed)
        if self._current.get(name) == version:
            return (self._readers[name](body),)
        upcast, step = self.upcasts.get((name, version)), 1
        if upcast is None:
            upcast, step = self.ahead.get((name, version)), -1
        if upcast is None:
            raise UnknownEvent(name, version)
        made = upcast(body)
        if isinstance(made, dict):
            return self.decode(StoredEvent(name, version + step, made))
        return tuple(event for part in made for event in self.decode(part))

    def personal(self, name: str) -> tuple[Personal, ...]:
        """The personal fields of the event *name*, in its current version; none of a retired one."""
        return self._personal.get(name, ())

    @property
    def has_personal(self) -> bool:
        """Whether any event has a personal field."""
        return any(self._personal.values())

    def __post_init__(self) -> None:
        current = {
            name: 1 + sum(upcast[0] == name for upcast in self.upcasts) for name in self.events
        }
        missing = {
            (name, before)
            for name, version in self.upcasts
            for before in range(1, version)
            if (name, before) not in self.upcasts
        }
        missing |= {(name, version) for name, version in self.upcasts if version < 1}
        if missing:
            raise ValueError(f"upcasts must be dense from version 1: {sorted(missing)}")
        written = {
            name: max(current.get(name, 0), *(v for n, v in self.upcasts if n == name), 0)
            for name, _ in self.ahead
        }
        gaps = {
            (name, before)
            for name, version in self.ahead
            for before in range(written[name] + 1, version)
            if (name, before) not in self.ahead
        }
        gaps |= {(name, version) for name, version in self.ahead if version <= written[name]}
        if gaps:
            raise ValueError(f"ahead must follow the newest version, without a gap: {sorted(gaps)}")
        names = {kind: name for name, kind in self.events.items()}
        for name, kind in self.events.items():
            if names[kind] != name:
                raise ValueError(f"{name!r} and {names[kind]!r} both name {name_of(kind)}")
        fixed = object.__setattr__
        fixed(self, "_current", current)
        fixed(self, "_names", names)
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


@dataclass(frozen=True)
class BytesCodec(Generic[E]):
    """Reads as *codec* does, also stored events whose bodies are JSON in bytes.

    *readers* make events of such bodies, by name and version. Where there is none, or it fails,
    *parse* makes the body, and *codec* alone decides what is read.
    """

    codec: Codec[E]
    readers: Mapping[tuple[str, int], Callable[[Any], E]]
    parse: Callable[[Any], Json]

    def decode(self, stored: StoredEvent) -> tuple[E, ...]:
        """As `Codec.decode`."""
        body: Any = stored.body
        # What is parsed already may say more of the event than its body does.
        if not isinstance(body, dict):
            try:
                return (self.readers[stored.name, stored.version](body),)
            except Exception:  # noqa: BLE001 - a reader may raise anything
                stored = stored._replace(body=self.parse(body))
        return self.codec.decode(stored)


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


def unchanged(body: Json) -> Json:
    """An upcast: the next version reads the body as it is, such as after a field was added that
    has a default.
    """
    return body


def renamed(name: str, version: int = 1) -> Upcast:
    """An upcast: the event is read as *version* of the event *name*, with the same body."""
    return lambda body: (StoredEvent(name, version, body),)


def dropped(_body: Json) -> Sequence[StoredEvent]:
    """An upcast: the event says nothing any more, and nobody reads it."""
    return ()


def _form_of_event(name: str, kind: type) -> Form:
    if not is_dataclass(kind):
        raise TypeError(f"the event {name!r}: {name_of(kind)} is no dataclass")
    try:
        return form_of(kind)
    except TypeError as error:
        raise TypeError(f"the event {name!r}: {error}") from error

"""The vault seals personal data by its subject, and opens it: the one place that does either.

All personal fields of one subject in one event become one text, encrypted with AES-256-GCM under
the subject's data key. The text is bound to the event's place: the stream and the version of the
commit's origin, the event's index and the subject; the fields' names are inside of it. So no text
can be moved to another place or field, and a copy of a commit keeps its texts unchanged.

Commits below the vault, in tables, log, bus and archive, are sealed, and all hashes are over
sealed commits. A forgotten subject has no key; its fields then read `erased`, as in the body.
"""

import json
import os
from base64 import b64decode, b64encode
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from threading import Lock
from typing import Any, NamedTuple

from chalicelib.leftfold.kernel import AggregateId, Codec, Commit, Refused, Snapshot, StoredEvent
from chalicelib.leftfold.kernel.commit import canonical, is_tag
from chalicelib.leftfold.kernel.personal import ERASED, values_at, with_value
from chalicelib.leftfold.subjects.keys import KEY_BYTES, DataKeys, KeyService
from chalicelib.leftfold.subjects.opening import Binding, Opener

# For how long, in seconds, a process uses a key without a look at its table. Whatever was opened
# with the key of a subject that is forgotten meanwhile is gone after that time (docs/adr/0019).
KEY_AGE = 300
# Keys in the memory of one process: some megabytes.
MOST_KEYS = 4_096
NONCE_BYTES = 12

# What a text is sealed for: the place that it may stand in, and no other.
SUBJECT_ERASED = "subject-erased"


class _Kept(NamedTuple):
    """A key as a process keeps it: *cipher* is None for a forgotten subject."""

    cipher: Any
    until: float


class Vault:
    """Seals and opens personal data with the keys of one stage.

    *now* gives seconds of any clock that never goes back. *random* gives random bytes.
    """

    def __init__(
        self,
        keys: DataKeys,
        service: KeyService,
        now: Callable[[], float],
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self.keys = keys
        self._service = service
        self._now = now
        self._random = random
        self._kept: dict[str, _Kept] = {}
        self._wrapping: Any = None
        self._lock = Lock()

    def seal(
        self,
        codec: Codec[Any],
        commit: Commit,
        known: Collection[str] = (),
        *,
        leave_out: bool = False,
    ) -> Commit:
        """The commit with its personal data sealed. Its events are plain, as the codec wrote them.

        A subject without a key gets one; then, and if it is not among those *known* to have data
        in the stream, the stream is noted for it before. Data of a forgotten subject is not
        kept: raises `Refused` (`subject-erased`), or with *leave_out* writes `erased` in its
        place. Raises `Unavailable`.
        """
        if not codec.has_personal:
            return commit
        tenant, category, key = AggregateId.parse(commit.aggregate_id)
        sealed = []
        for index, event in enumerate(commit.events):
            body, values = taken_out(codec, event, key)
            texts: dict[str, str] = {}
            for subject, fields in values.items():
                cipher = self._writing(f"{tenant}/{subject}")
                if cipher is not None:
                    if subject not in known and subject != f"{category}:{key}":
                        self.keys.add_stream(f"{tenant}/{subject}", commit.aggregate_id)
                    binding = (*commit.origin, commit.root_index(index), subject)
                    texts[subject] = self._encrypt(cipher, canonical(fields).encode(), binding)
                elif not leave_out:
                    raise Refused(SUBJECT_ERASED, subject=subject)
            sealed.append(StoredEvent(event.name, event.version, body, {**event.sealed, **texts}))
        return commit._replace(events=tuple(sealed))

    def opened(self, commits: Sequence[Commit]) -> Sequence[Commit]:
        """`Opener`. All keys that are missing are read in one call."""
        wanted = {
            f"{tenant_of(commit)}/{subject}"
            for commit in commits
            for event in commit.events
            for subject in event.sealed
        }
        if not wanted:
            return commits
        ciphers = self._ciphers(wanted)
        return [self._opened(commit, ciphers) for commit in commits]

    def seal_whole(
        self, tenant: str, subjects: Iterable[str], binding: Binding, value: str
    ) -> str | None:
        """*value* as a text that only the keys of all *subjects* open; None if one is forgotten."""
        names = [f"{tenant}/{subject}" for subject in sorted(subjects)]
        ciphers = self._ciphers(names)
        data = value.encode()
        for name in names:
            cipher = ciphers.get(name)
            if cipher is None:
                return None
            data = self._encrypted(cipher, data, binding)
        return b64encode(data).decode()

    def open_whole(
        self, tenant: str, subjects: Iterable[str], binding: Binding, text: str
    ) -> str | None:
        """The inverse of `seal_whole`; None if a subject is forgotten, or *text* is not of *binding*."""
        names = [f"{tenant}/{subject}" for subject in sorted(subjects)]
        ciphers = self._ciphers(names)
        data: bytes | None = b64decode(text)
        for name in reversed(names):
            cipher = ciphers.get(name)
            data = None if cipher is None or data is None else decrypted(cipher, data, binding)
        return None if data is None else data.decode()

    def present(self, tenant: str, subjects: Iterable[str]) -> frozenset[str]:
        """Those of the subjects that are not forgotten; from memory, where their keys are kept."""
        names = {f"{tenant}/{subject}": subject for subject in subjects}
        ciphers = self._ciphers(names) if names else {}
        return frozenset(names[name] for name, cipher in ciphers.items() if cipher is not None)

    def drop(self, subject: str) -> None:
        """Takes the key of a subject, named with its tenant, out of this process's memory."""
        with self._lock:
            self._kept.pop(subject, None)

    def _opened(self, commit: Commit, ciphers: Mapping[str, Any]) -> Commit:
        if not any(event.sealed for event in commit.events):
            return commit
        tenant = tenant_of(commit)
        return commit._replace(
            events=tuple(
                self._open(event, tenant, (*commit.origin, commit.root_index(index)), ciphers)
                for index, event in enumerate(commit.events)
            )
        )

    def _open(
        self, event: StoredEvent, tenant: str, at: Binding, ciphers: Mapping[str, Any]
    ) -> StoredEvent:
        body = event.body
        closed: dict[str, str] = {}
        for subject, text in event.sealed.items():
            name = f"{tenant}/{subject}"
            cipher = ciphers.get(name)
            if cipher is None:
                # A subject that is in the table without a key is forgotten; else the key is lost.
                closed |= {} if name in ciphers else {subject: text}
                continue
            plain = decrypted(cipher, b64decode(text), (*at, subject))
            if plain is None:
                closed[subject] = text
                continue
            for path, value in json.loads(plain).items():
                body = with_value(body, tuple(path.split("/")), value)
        return StoredEvent(event.name, event.version, body, closed)

    def _encrypt(self, cipher: Any, data: bytes, binding: Binding) -> str:
        return b64encode(self._encrypted(cipher, data, binding)).decode()

    def _encrypted(self, cipher: Any, data: bytes, binding: Binding) -> bytes:
        nonce = self._random(NONCE_BYTES)
        encrypted: bytes = cipher.encrypt(nonce, data, canonical(binding).encode())
        return nonce + encrypted

    def _writing(self, subject: str) -> Any:
        """The cipher of a subject, which gets a key if it never had one; None if it is forgotten."""
        kept = self._kept.get(subject)
        if kept is not None and self._now() < kept.until:
            return kept.cipher
        key = self._random(KEY_BYTES)
        wrapped = self._encrypted(self._wrapping_cipher(), key, ("data key", subject))
        asked = self._now()
        # Most subjects that are not in memory are new, so the first look is a conditional write.
        return self._keep(subject, self.keys.add(subject, wrapped).wrapped, asked)

    def _ciphers(self, subjects: Collection[str]) -> dict[str, Any]:
        """The cipher of each subject, None for a forgotten one. One that has no key is left out."""
        now = self._now()
        known = {s: kept for s in subjects if (kept := self._kept.get(s)) and now < kept.until}
        ciphers = {subject: kept.cipher for subject, kept in known.items()}
        missing = [subject for subject in subjects if subject not in known]
        found = self.keys.find(missing) if missing else {}
        return ciphers | {
            subject: self._keep(subject, key.wrapped, now) for subject, key in found.items()
        }

    def _keep(self, subject: str, wrapped: bytes | None, asked: float) -> Any:
        """Keeps what the table had for the subject when, or after, it was *asked*. The answer may
        have taken long, and the subject have been forgotten meanwhile: the key's age counts from
        the question.
        """
        cipher = None
        if wrapped is not None:
            binding = ("data key", subject)
            key = decrypted(self._wrapping_cipher(), wrapped, binding)
            if key is None:
                raise UnwrappableKeyError(subject)
            cipher = aes(key)
        with self._lock:
            self._kept.pop(subject, None)
            while len(self._kept) >= MOST_KEYS:
                del self._kept[next(iter(self._kept))]
            self._kept[subject] = _Kept(cipher, asked + KEY_AGE)
        return cipher

    def _wrapping_cipher(self) -> Any:
        if self._wrapping is None:
            wrapped = self.keys.wrapping_key()
            if wrapped is None:
                wrapped = self.keys.wrapping_key(self._service.generate()[1])
            if wrapped is None:
                raise UnwrappableKeyError("the stage")
            self._wrapping = aes(self._service.unwrap(wrapped))
        return self._wrapping


class UnwrappableKeyError(Exception):
    """A data key does not open with the stage's wrapping key: the table was changed by others."""

    def __init__(self, subject: str) -> None:
        super().__init__(f"the key of {subject} is not one that this stage has wrapped")


def aes(key: bytes) -> Any:
    """AES-256-GCM under *key*."""
    # Imported here, so that a function without personal data does not wait for it.
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(key)


def decrypted(cipher: Any, data: bytes, binding: Binding) -> bytes | None:
    """What was encrypted for *binding*; None if *data* is not of this key, or of another binding."""
    from cryptography.exceptions import InvalidTag

    try:
        plain: bytes = cipher.decrypt(
            data[:NONCE_BYTES], data[NONCE_BYTES:], canonical(binding).encode()
        )
    except InvalidTag:
        return None
    return plain


def taken_out(
    codec: Codec[Any], event: StoredEvent, key: str
) -> tuple[Any, dict[str, dict[str, str]]]:
    """The body of an event with `erased` in its personal fields, and their values.

    The values are by subject, and then by path. *key* is that of the event's stream.
    """
    body = event.body
    values: dict[str, dict[str, str]] = {}
    for field in codec.personal(event.name):
        for path, owner in values_at(body, field.path):
            value = owner[path[-1]]
            if value == ERASED:
                continue
            named = owner.get(field.subject.by) if field.subject.by else key
            subject = f"{field.subject.what}:{named}"
            if named is None or not is_tag(subject):
                raise ValueError(
                    f"{event.name}.{'.'.join(path)} is of {subject!r}: a subject is of the form"
                    " account:17"
                )
            values.setdefault(subject, {})["/".join(path)] = value
            body = with_value(body, path, ERASED)
    return body, values


def subjects_of(commits: Iterable[Commit]) -> frozenset[str]:
    """The subjects of whom sealed commits have data."""
    return frozenset(
        subject for commit in commits for event in commit.events for subject in event.sealed
    )


def tenant_of(commit: Commit) -> str:
    """The tenant of the commit's stream."""
    return commit.aggregate_id.partition("/")[0]


def sealed_snapshot(
    vault: Vault, commit: Commit, snapshot: Snapshot, subjects: Collection[str]
) -> Snapshot | None:
    """The snapshot of *commit*, sealed for the *subjects* whose data may be in it.

    None if one of them was forgotten meanwhile: the state was folded before.
    """
    if not subjects:
        return snapshot
    binding = ("snapshot", commit.aggregate_id, commit.version)
    state = json.dumps(snapshot.state, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    text = vault.seal_whole(tenant_of(commit), subjects, binding, state)
    if text is None:
        return None
    return Snapshot(snapshot.fingerprint, text, tuple(sorted(subjects)))


def opened_state(vault: Opener, commit: Commit, snapshot: Snapshot) -> tuple[bool, Any]:
    """Whether the snapshot can be used, and its state."""
    if not snapshot.subjects:
        return True, snapshot.state
    binding = ("snapshot", commit.aggregate_id, commit.version)
    text = vault.open_whole(tenant_of(commit), snapshot.subjects, binding, snapshot.state)
    return (False, None) if text is None else (True, json.loads(text))

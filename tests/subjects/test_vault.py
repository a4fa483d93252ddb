"""The vault: what is sealed, what opens it, and what does not."""

from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.bank.account.domain import account
from chalicelib.leftfold.commands.loading import load
from chalicelib.leftfold.commands.reading import States
from chalicelib.leftfold.kernel import Codec, Commit, Refused, StoredEvent, personal
from chalicelib.leftfold.kernel.codec import SealedError
from chalicelib.leftfold.store.memory import MemoryEvents
from chalicelib.leftfold.subjects.keys import Erasure
from chalicelib.leftfold.subjects.memory import MemoryKeys, MemoryKeyService
from chalicelib.leftfold.subjects.vault import KEY_AGE, MOST_KEYS, Vault
from tests.commits import commit, events_in
from tests.faults import Counting
from tests.teller import OPENING, Teller
from tests.vaults import vault_of

ADA = "main/account:a"


@dataclass(frozen=True)
class Line:
    text: str | None = field(default=None, metadata=personal("person", by="payer"))
    payer: str = ""


@dataclass(frozen=True)
class Paid:
    name: str = field(metadata=personal("person"))
    lines: tuple[Line, ...] = ()
    note: str | None = field(default=None, metadata=personal("person"))


codec: Codec[Paid] = Codec({"paid": Paid})


def paid(*events: Paid, **facts: Any) -> Commit:
    stored = tuple(map(codec.encode, events))
    return commit("main/paid-x", 3, **facts)._replace(events=stored)


def erase(keys: MemoryKeys, subject: str) -> None:
    assert keys.erase(Erasure(subject, "2026-01-01T00:00:00.000Z", "test", "")) is not None


TEXTS = st.text(max_size=8)
LINES = st.builds(Line, st.none() | TEXTS, st.sampled_from(["p", "q"]))
EVENTS = st.builds(Paid, TEXTS, st.lists(LINES, max_size=3).map(tuple), st.none() | TEXTS)


@given(st.lists(EVENTS, min_size=1, max_size=3))
def test_what_is_sealed_opens_to_the_same_and_shows_nothing_before(events: list[Paid]) -> None:
    vault = vault_of()
    plain = paid(*events)
    sealed = vault.seal(codec, plain)
    assert vault.opened([sealed]) == [plain]
    assert Commit.from_line(sealed.line) == sealed
    for event in events_in(sealed, codec):
        assert event.name == "erased"
        assert {line.text for line in event.lines} <= {"erased", None}


def test_only_a_personal_field_is_hidden() -> None:
    sealed = vault_of().seal(
        codec, paid(Paid("Adelaide", (Line("groceries", "p"), Line()), "greetings"))
    )
    (event,) = sealed.events
    assert event.body == {
        "name": "erased",
        "lines": [{"text": "erased", "payer": "p"}, {"payer": ""}],
        "note": "erased",
    }
    assert sorted(event.sealed) == ["person:p", "person:x"]
    assert not any(word in sealed.line for word in ("Adelaide", "groceries", "greetings"))


def test_a_copy_of_a_commit_opens_with_its_texts_unchanged() -> None:
    vault = vault_of()
    sealed = vault.seal(codec, paid(Paid("Ada")))
    origin = (sealed.aggregate_id, sealed.version)
    copy = sealed._replace(aggregate_id="main/paid-y", version=9, root=origin, source=origin)
    assert vault.opened([copy])[0].events[0].body["name"] == "Ada"


@pytest.mark.parametrize(
    "moved",
    [
        lambda c: c._replace(version=4),
        lambda c: c._replace(aggregate_id="main/paid-y"),
        lambda c: c._replace(events=c.events[::-1]),
        lambda c: c._replace(root=("main/paid-z", 1), source=("main/paid-z", 1)),
        lambda c: c._replace(
            events=tuple(
                e._replace(
                    sealed={"person:x": e.sealed["person:p"], "person:p": e.sealed["person:p"]}
                )
                for e in c.events
            )
        ),
        lambda c: c._replace(
            events=tuple(
                e._replace(sealed={s: flipped(t) for s, t in e.sealed.items()}) for e in c.events
            )
        ),
    ],
    ids=["version", "stream", "event", "root", "subject", "a bit"],
)
def test_a_text_that_was_moved_or_changed_does_not_open(moved: Any) -> None:
    vault = vault_of()
    line = (Line("rent", "p"),)
    sealed = moved(vault.seal(codec, paid(Paid("Ada", line), Paid("Bob", line))))
    (opened,) = vault.opened([sealed])
    with pytest.raises(SealedError):
        codec.decode(opened.events[0])


def flipped(text: str) -> str:
    data = bytearray(b64decode(text))
    data[-1] ^= 1
    return b64encode(bytes(data)).decode()


def test_an_event_of_a_forgotten_subject_reads_erased_beside_data_of_others() -> None:
    keys = MemoryKeys()
    sealed = vault_of(keys).seal(codec, paid(Paid("Ada", (Line("rent", "p"),))))
    erase(keys, "main/person:x")
    (opened,) = vault_of(keys).opened([sealed])
    assert codec.decode(opened.events[0])[0] == Paid("erased", (Line("rent", "p"),))


def test_a_lost_key_is_not_taken_for_an_erasure() -> None:
    sealed = vault_of(MemoryKeys()).seal(codec, paid(Paid("Ada")))
    (opened,) = vault_of(MemoryKeys()).opened([sealed])
    with pytest.raises(SealedError, match="its key is lost"):
        codec.decode(opened.events[0])


def test_nothing_new_of_a_forgotten_subject_is_kept() -> None:
    keys = MemoryKeys()
    vault_of(keys).seal(codec, paid(Paid("Ada")))
    erase(keys, "main/person:x")
    late = paid(Paid("Ada", note="again"))
    with pytest.raises(Refused, match="subject-erased"):
        vault_of(keys).seal(codec, late)
    left_out = vault_of(keys).seal(codec, late, leave_out=True)
    assert left_out.events == (
        StoredEvent("paid", 1, {"name": "erased", "lines": [], "note": "erased"}),
    )
    assert keys.find(["main/person:x"])["main/person:x"].wrapped is None


def test_what_reads_erased_is_written_so_again_without_a_key() -> None:
    keys = MemoryKeys()
    sealed = vault_of(keys).seal(codec, paid(Paid("erased")))
    assert sealed.events[0].sealed == {}
    assert keys.find(["main/person:x"]) == {}


def test_tenants_with_the_same_ids_have_different_keys() -> None:
    keys = MemoryKeys()
    vault = vault_of(keys)
    ours = vault.seal(codec, paid(Paid("Ada")))
    theirs = vault.seal(codec, paid(Paid("Ada"))._replace(aggregate_id="other/paid-x"))
    erase(keys, "other/person:x")
    opened = vault_of(keys).opened([ours, theirs])
    assert [c.events[0].body["name"] for c in opened] == ["Ada", "erased"]


def test_a_stream_is_noted_for_a_subject_of_another_one_before_it_has_data() -> None:
    keys = MemoryKeys()
    vault = vault_of(keys)
    vault.seal(codec, paid(Paid("Ada", (Line("rent", "p"),))))
    assert list(keys.streams("main/person:p")) == ["main/paid-x"]
    known = MemoryKeys()
    vault_of(known).seal(codec, paid(Paid("Ada", (Line("rent", "p"),))), known={"person:p"})
    assert list(known.streams("main/person:p")) == []


def test_a_subject_that_no_stream_could_be_noted_for_is_an_error() -> None:
    with pytest.raises(ValueError, match="of the form account:17"):
        vault_of().seal(codec, paid(Paid("Ada", (Line("rent", "no/key"),))))


class Counted(MemoryKeys):
    """Keys that count the calls to them."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []

    def find(self, subjects: Any) -> Any:
        self.calls.append("find")
        return super().find(subjects)

    def add(self, subject: str, wrapped: bytes) -> Any:
        self.calls.append("add")
        return super().add(subject, wrapped)


def test_a_key_is_read_once_and_again_when_it_is_old() -> None:
    keys, now = Counted(), [0.0]
    vault = vault_of(keys, lambda: now[0])
    sealed = vault.seal(codec, paid(Paid("Ada")))
    for _ in range(3):
        vault.opened([sealed])
        vault.seal(codec, paid(Paid("Bob")))
    assert keys.calls == ["add"]
    now[0] = KEY_AGE
    vault.opened([sealed])
    assert keys.calls == ["add", "find"]


def test_the_age_of_a_key_counts_from_the_question_however_late_the_answer_is() -> None:
    keys, now = MemoryKeys(), [0.0]
    sealed = vault_of(keys).seal(codec, paid(Paid("Ada")))
    vault = vault_of(Slow(keys, now), lambda: now[0])
    assert vault.opened([sealed])[0].events[0].body["name"] == "Ada"
    assert now[0] == KEY_AGE
    erase(keys, "main/person:x")
    assert vault.opened([sealed])[0].events[0].body["name"] == "erased"


class Slow(MemoryKeys):
    """Keys whose answers are as long on their way as a key is used."""

    def __init__(self, keys: MemoryKeys, now: list[float]) -> None:
        self.__dict__.update(vars(keys))
        self._now = now

    def find(self, subjects: Any) -> Any:
        found = super().find(subjects)
        self._now[0] += KEY_AGE
        return found


def test_a_process_forgets_a_subject_once_its_keys_are_old() -> None:
    keys, now = MemoryKeys(), [0.0]
    vault = vault_of(keys, lambda: now[0])
    sealed = vault.seal(codec, paid(Paid("Ada")))
    erase(keys, "main/person:x")
    now[0] = KEY_AGE - 1
    assert vault.opened([sealed])[0].events[0].body["name"] == "Ada"
    now[0] = KEY_AGE
    assert vault.opened([sealed])[0].events[0].body["name"] == "erased"


def test_the_keys_of_many_subjects_are_read_in_one_call() -> None:
    keys = Counted()
    commits = [
        vault_of(keys).seal(codec, paid(Paid("Ada"))._replace(aggregate_id=f"main/paid-{n}"))
        for n in range(20)
    ]
    keys.calls.clear()
    vault_of(keys).opened(commits)
    assert keys.calls == ["find"]


def test_a_process_keeps_a_bounded_number_of_keys() -> None:
    vault = vault_of(MemoryKeys())
    for n in range(MOST_KEYS + 10):
        vault._keep(f"main/person:{n}", None, 0.0)
    assert len(vault._kept) == MOST_KEYS
    assert "main/person:0" not in vault._kept


def test_a_whole_text_needs_the_keys_of_all_its_subjects() -> None:
    keys = MemoryKeys()
    vault = vault_of(keys)
    vault.seal(codec, paid(Paid("Ada", (Line("rent", "p"),))))
    both = ("person:x", "person:p")
    text = vault.seal_whole("main", both, ("place",), "secret")
    assert text is not None
    assert vault.open_whole("main", both[::-1], ("place",), text) == "secret"
    assert vault.open_whole("main", both, ("elsewhere",), text) is None
    erase(keys, "main/person:p")
    late = vault_of(keys)
    assert late.open_whole("main", both, ("place",), text) is None
    assert late.seal_whole("main", both, ("place",), "secret") is None


class Overtaken(Vault):
    """A vault whose subjects are forgotten, and whose keys grow old, once it has opened commits."""

    def opened(self, commits: Sequence[Commit]) -> Sequence[Commit]:
        opened = super().opened(commits)
        erase(self.keys, ADA)  # type: ignore[arg-type]
        self.drop(ADA)
        return opened


def test_a_state_names_a_subject_that_is_forgotten_right_after_its_data_was_opened() -> None:
    keys, events = MemoryKeys(), MemoryEvents()
    Teller(events, vault=vault_of(keys)).do(OPENING)
    vault = Overtaken(keys, MemoryKeyService(), lambda: 0.0)
    loaded = load(events, account, "main/account-a", fingerprint="fold", vault=vault)
    assert loaded.state.owner == OPENING.owner
    assert loaded.subjects == {"account:a"}


def test_a_state_with_personal_data_is_not_kept_and_not_even_read() -> None:
    """A state that is kept would have the data after its subject is forgotten."""
    events = MemoryEvents()
    Teller(events).do(OPENING)
    counting = Counting(events)
    states = States(counting, {account.category: "fold"}, vault_of())
    for read in (states.known, states.newest):
        with pytest.raises(TypeError, match="a state of 'account' has personal data"):
            read(account, "main/account-a")
    assert not counting.calls


def test_an_account_seals_its_owner_and_what_was_booked_for_what() -> None:
    plain = commit("main/account-a", 1)
    (event,) = vault_of().seal(account.codec, plain).events
    assert (event.body["owner"], list(event.sealed)) == ("erased", ["account:a"])


def test_events_without_personal_data_stay_as_they_are() -> None:
    plain = commit("main/account-a", 2)
    vault = Vault(MemoryKeys(), None, None)  # type: ignore[arg-type]
    assert vault.seal(account.codec, plain).events == plain.events
    assert vault.opened([plain]) == [plain]


def test_upcasts_read_what_was_opened() -> None:
    older: Codec[Any] = Codec(
        {"paid": Paid}, {("paid", 1): lambda body: body | {"note": body["name"]}}
    )
    vault = vault_of()
    (opened,) = vault.opened([vault.seal(codec, paid(Paid("Ada")))])
    assert older.decode(opened.events[0])[0] == replace(Paid("Ada"), note="Ada")

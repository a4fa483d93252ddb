"""What a command does to its stream, whatever happens on the way."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from random import Random
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.bank.account.domain import (
    Account,
    Close,
    CloseStatement,
    Freeze,
    Open,
    account,
)
from chalicelib.leftfold.commands.handler import (
    CommandRequest,
    ContentionError,
    KeyReusedError,
    VersionMismatchError,
    body_hash,
)
from chalicelib.leftfold.commands.loading import CLOCK_SKEW, BrokenStreamError
from chalicelib.leftfold.kernel import Commit, Refused, Snapshot, from_json, to_json
from chalicelib.leftfold.kernel.uuid7 import uuid7
from chalicelib.leftfold.store.memory import MemoryEvents
from chalicelib.leftfold.store.ports import (
    ContendedError,
    Page,
    StreamAdvancedError,
    StreamVersion,
    Unavailable,
)
from chalicelib.leftfold.subjects.vault import opened_state
from tests.clock import Clock
from tests.commits import commit
from tests.faults import Counting, Lossy
from tests.teller import OPENING, Teller, credit, debit

STREAM = "main/account-a"
OTHER = "main/account-b"


def commits(events: Any) -> list[Commit]:
    return list(events.range(STREAM, 1, 10_000))


def request(command: Any, command_id: str) -> CommandRequest:
    """What a bank makes of the command."""
    body = body_hash(type(command).__name__, to_json(command))
    return CommandRequest(account, STREAM, command, command_id, body, "test", "test")


def key_now(clock: Clock) -> str:
    return uuid7(clock.milliseconds, uuid4().bytes)


# --- what it costs


def test_opening_is_one_write() -> None:
    events = Counting(MemoryEvents())
    assert Teller(events).do(OPENING) == 1
    assert events.calls == {"append": 1}


def test_a_command_is_one_read_and_one_write() -> None:
    store = MemoryEvents()
    Teller(store).do(OPENING)
    events = Counting(store)
    assert Teller(events).do(credit(5)) == 2
    assert events.calls == {"newest": 1, "append": 1}


@pytest.mark.parametrize("length", [10, 20, 21, 22, 100, 1000])
def test_a_long_stream_costs_no_more_than_a_short_one(length: int) -> None:
    store, clock = MemoryEvents(), Clock()
    bank = Teller(store, clock=clock)
    bank.do(OPENING)
    for _ in range(length - 1):
        clock.forward(minutes=30)
        bank.do(credit(1))
    events = Counting(store)
    assert Teller(events, clock=clock).do(debit(length - 1)) == length + 1
    assert events.calls == {"newest": 1, "append": 1}


# --- rules and refusals


def test_a_refusal_writes_nothing_and_is_told_only_after_a_consistent_read() -> None:
    store = MemoryEvents()
    Teller(store).do(OPENING)
    events = Counting(store)
    with pytest.raises(Refused, match="insufficient-funds"):
        Teller(events).do(debit(1))
    assert events.calls == {"newest": 1, "newest consistent": 1}


def test_an_account_is_opened_once() -> None:
    bank = Teller(MemoryEvents())
    bank.do(OPENING)
    with pytest.raises(Refused, match="account-exists"):
        bank.do(OPENING)
    assert len(commits(bank.events)) == 1


def test_a_command_to_nobody_is_refused() -> None:
    with pytest.raises(Refused, match="account-missing"):
        Teller(MemoryEvents()).do(credit(1))


class StaleEvents(MemoryEvents):
    """Its eventually consistent reads miss the newest *behind* commits, or hide one."""

    behind = 0
    hidden: int | None = None

    def newest(self, aggregate_id: str, *, consistent: bool = False, **page: Any) -> Page:
        found = super().newest(aggregate_id, consistent=consistent, **page)
        if consistent:
            return found
        seen = [c for c in found.commits if c.version != self.hidden]
        return found._replace(commits=seen[self.behind :])


def test_a_stale_read_never_turns_a_command_down() -> None:
    events = StaleEvents()
    bank = Teller(events)
    bank.do(OPENING)
    bank.do(credit(5))
    events.behind = 1
    assert bank.do(debit(5)) == 3
    events.behind = 3
    assert bank.do(credit(1)) == 4


def test_a_hole_in_an_eventually_consistent_read_is_read_again() -> None:
    events = StaleEvents()
    bank = Teller(events)
    bank.do(OPENING)
    bank.do(credit(5))
    bank.do(credit(5))
    events.hidden = 2
    assert bank.do(debit(10)) == 4


@pytest.mark.parametrize("hidden", [1, 2])
def test_a_hole_in_a_consistent_read_stops_the_command(hidden: int) -> None:
    events = MemoryEvents()
    bank = Teller(events)
    bank.do(OPENING)
    bank.do(credit(5))
    bank.do(credit(5))
    del events._streams[STREAM][hidden]
    with pytest.raises(BrokenStreamError):
        bank.do(credit(1))


# --- If-Match


def test_an_expected_version_is_kept_to() -> None:
    bank = Teller(MemoryEvents())
    bank.do(OPENING)
    assert bank.do(credit(1), expected={1}) == 2
    with pytest.raises(VersionMismatchError) as caught:
        bank.do(credit(1), expected={1})
    assert caught.value.version == 2
    assert len(commits(bank.events)) == 2


def test_a_retry_gets_its_first_answer_even_if_the_version_has_moved() -> None:
    bank = Teller(MemoryEvents())
    bank.do(OPENING)
    assert bank.do(credit(1), command_id="c", expected={1}) == 2
    bank.do(credit(1))
    assert bank.do(credit(1), command_id="c", expected={1}) == 2


# --- on condition that another stream has not moved


def test_a_command_is_taken_while_another_stream_has_not_moved() -> None:
    bank = Teller(MemoryEvents())
    bank.do(OPENING)
    bank.do(OPENING, "b")
    assert bank.do(credit(1), unless=StreamVersion(OTHER, 2)) == 2
    with pytest.raises(StreamAdvancedError):
        bank.do(credit(1), unless=StreamVersion(OTHER, 1))
    assert len(commits(bank.events)) == 2


def test_a_command_that_was_taken_before_is_found_though_the_other_stream_has_moved() -> None:
    bank = Teller(MemoryEvents())
    bank.do(OPENING)
    assert bank.do(credit(1), command_id="c", unless=StreamVersion(OTHER, 1)) == 2
    bank.do(OPENING, "b")
    assert bank.do(credit(1), command_id="c", unless=StreamVersion(OTHER, 1)) == 2
    assert len(commits(bank.events)) == 2


class Contended(MemoryEvents):
    """Each append but the first meets a transaction in its way, *times* times."""

    times = 2

    def append(self, commit: Commit, unless: StreamVersion | None = None) -> Commit | None:
        if commit.version > 1 and self.times:
            self.times -= 1
            raise ContendedError
        return super().append(commit, unless)


def test_a_transaction_in_the_way_is_waited_for() -> None:
    waited: list[int] = []
    bank = Teller(Contended(), pause=waited.append)
    bank.do(OPENING)
    assert bank.do(credit(1)) == 2
    assert waited == [1, 2]


# --- once, whatever is lost


@pytest.mark.parametrize("command", [OPENING, credit(5), Freeze()])
def test_a_lost_answer_and_a_retry_leave_one_commit(command: Any) -> None:
    store = MemoryEvents()
    if not isinstance(command, Open):
        Teller(store).do(OPENING)
    before = len(commits(store))
    calls = 1 if isinstance(command, Open) else 2
    with pytest.raises(Unavailable):
        Teller(Lossy(store, after=frozenset({calls}))).do(command, command_id="c")
    assert Teller(store).do(command, command_id="c") == before + 1
    assert len(commits(store)) == before + 1


def test_a_refused_command_that_had_succeeded_answers_as_it_did() -> None:
    bank = Teller(MemoryEvents())
    bank.do(OPENING)
    assert bank.do(Close(), command_id="c") == 2
    assert bank.do(Close(), command_id="c") == 2
    with pytest.raises(Refused, match="account-closed"):
        bank.do(Close())


def test_a_key_with_another_body_is_refused() -> None:
    bank = Teller(MemoryEvents())
    bank.do(OPENING, command_id="o")
    bank.do(credit(5), command_id="c")
    with pytest.raises(KeyReusedError):
        bank.do(credit(6), command_id="c")
    with pytest.raises(KeyReusedError):
        bank.do(replace(OPENING, owner="Bo"), command_id="o")
    assert len(commits(bank.events)) == 2


def test_the_last_64_commands_are_recognised_by_any_key() -> None:
    bank = Teller(MemoryEvents())
    bank.do(OPENING)
    bank.do(credit(5), command_id="c")
    for _ in range(63):
        bank.do(credit(1))
    assert bank.do(credit(5), command_id="c") == 2
    assert len(commits(bank.events)) == 65


# --- any key, for a day

DAY = 24 * 60 * 60


def taken_once_on_a_busy_stream(events: Any, later: int, seconds: float) -> tuple[Teller, str]:
    """A bank whose account took a command by a random key, and then *later* others in
    *seconds*; and that key.
    """
    key, bank = str(uuid4()), Teller(events)
    bank.do(OPENING)
    assert bank.do(credit(5), command_id=key) == 2
    for _ in range(later):
        bank.clock.forward(seconds=seconds / later)
        bank.do(credit(1), command_id=key_now(bank.clock))
    return bank, key


@pytest.mark.parametrize("later", [63, 64, 65, 84, 85, 86, 500])
def test_a_retry_with_a_random_key_is_recognised_for_a_day(later: int) -> None:
    events = MemoryEvents()
    bank, key = taken_once_on_a_busy_stream(events, later, DAY)
    assert bank.do(credit(5), command_id=key) == 2
    with pytest.raises(KeyReusedError):
        bank.do(credit(6), command_id=key)
    assert bank.handler.taken(request(credit(5), key)) == 2
    assert len(commits(events)) == later + 2


def test_a_random_key_is_recognised_for_a_day_on_whichever_clock_the_servers_have() -> None:
    events = MemoryEvents()
    bank, key = taken_once_on_a_busy_stream(events, 500, DAY)
    bank.clock.forward(seconds=290)
    assert bank.do(credit(5), command_id=key) == 2


def test_the_first_second_of_the_day_is_looked_through_whole() -> None:
    bank, key = Teller(MemoryEvents()), str(uuid4())
    bank.do(OPENING)
    assert bank.do(credit(5), command_id=key) == 2
    for _ in range(200):
        bank.do(credit(1))
    bank.clock.forward(seconds=DAY + CLOCK_SKEW)
    assert bank.do(credit(5), command_id=key) == 2


def test_whether_a_command_was_taken_is_read_consistently() -> None:
    events = StaleEvents()
    bank = Teller(events)
    bank.do(OPENING)
    events.behind = 1
    assert bank.do(credit(5), command_id="job-1") == 2
    assert bank.handler.taken(request(credit(5), "job-1")) == 2
    assert bank.handler.taken(request(credit(5), "job-2")) is None


@pytest.mark.parametrize("key", ["job-1", "", str(uuid4())], ids=["text", "none", "random"])
def test_a_key_costs_no_more_if_the_stream_took_fewer_than_64_commands_in_a_day(key: str) -> None:
    store, clock = MemoryEvents(), Clock()
    bank = Teller(store, clock=clock)
    bank.do(OPENING)
    for number in range(300):
        clock.forward(seconds=(DAY + 400) / 63)
        events = Counting(store)
        Teller(events, clock=clock).do(credit(1), command_id=f"{key}{number}")
        assert events.calls == {"newest": 1, "append": 1}


@pytest.mark.slow
def test_a_random_key_on_a_busy_stream_costs_a_read_for_each_64_commands_of_the_day() -> None:
    store = MemoryEvents()
    bank, _ = taken_once_on_a_busy_stream(store, 1000, DAY)
    events = Counting(store)
    Teller(events, clock=bank.clock).do(credit(1), command_id=str(uuid4()))
    assert events.calls["newest consistent"] <= 1000 / 64
    assert events.calls == {"newest": 1, "newest consistent": 11, "append": 1}


@pytest.mark.slow
def test_what_one_attempt_has_looked_through_the_next_does_not() -> None:
    store = MemoryEvents()
    bank, _ = taken_once_on_a_busy_stream(store, 1000, DAY)
    rivals = Rival(times=1)
    rivals._streams = store._streams
    events = Counting(rivals)
    Teller(events, clock=bank.clock).do(credit(1), command_id=str(uuid4()))
    assert events.calls == {"newest": 1, "newest consistent": 11 + 1, "append": 2}


@pytest.mark.slow
def test_a_busy_stream_whose_commits_have_no_room_to_remember_is_read_in_large_pages() -> None:
    store = MemoryEvents()
    bank, key = taken_once_on_a_busy_stream(store, 1000, DAY)
    for stored in store.everything()[STREAM].values():
        store._streams[STREAM][stored.version] = stored._replace(recent_commands=None)
    events = Counting(store)
    assert Teller(events, clock=bank.clock).do(credit(5), command_id=key) == 2
    assert events.calls == {"newest": 1, "newest consistent": 2}


@pytest.mark.slow
@pytest.mark.parametrize("hidden", [800, 500, 3, 1])
def test_a_hole_met_while_looking_back_stops_the_command(hidden: int) -> None:
    store = MemoryEvents()
    bank, _ = taken_once_on_a_busy_stream(store, 1000, DAY)
    for version in range(hidden, min(hidden + 150, 900)):
        del store._streams[STREAM][version]
    with pytest.raises(BrokenStreamError):
        bank.do(credit(1), command_id=str(uuid4()))


@settings(max_examples=60, deadline=None)
@given(
    gaps=st.lists(st.integers(0, 2000), min_size=1, max_size=260),
    closes=st.sets(st.integers(0, 259), max_size=3),
    retried=st.lists(st.integers(0, 259), min_size=1, max_size=6),
    kinds=st.integers(0, 2**32),
)
def test_no_retry_within_a_day_is_ever_taken_twice(
    gaps: list[int], closes: set[int], retried: list[int], kinds: int
) -> None:
    random, clock, events = Random(kinds), Clock(), MemoryEvents()
    bank, taken = Teller(events, clock=clock), []
    bank.do(OPENING)
    for number, gap in enumerate(gaps):
        clock.forward(seconds=gap)
        key = random.choice([key_now(clock), f"job-{number}"])
        through = (date(2026, 1, 1) + timedelta(days=number)).isoformat()
        command = CloseStatement(through) if number in closes else credit(1)
        taken.append((clock.now, key, command, bank.do(command, command_id=key)))
        again = random.choice(taken)
        if clock.now - again[0] <= timedelta(seconds=DAY):
            assert bank.do(again[2], command_id=again[1]) == again[3]
    for number in retried:
        at, key, command, version = taken[number % len(taken)]
        if clock.now - at <= timedelta(seconds=DAY):
            assert bank.do(command, command_id=key) == version
    assert len(commits(events)) == len(gaps) + 1


# --- a key that tells its time, for ever


def test_a_late_retry_with_a_uuid7_is_recognised_after_500_commands() -> None:
    bank = Teller(MemoryEvents())
    bank.do(OPENING)
    key = key_now(bank.clock)
    assert bank.do(credit(5), command_id=key) == 2
    for _ in range(500):
        bank.clock.forward(seconds=7)
        bank.do(credit(1), command_id=key_now(bank.clock))
    assert bank.do(credit(5), command_id=key) == 2
    assert len(commits(bank.events)) == 502


@pytest.mark.parametrize("skew", [-290, 290])
def test_a_late_retry_is_recognised_when_clocks_differ_by_under_five_minutes(
    skew: int,
) -> None:
    bank = Teller(MemoryEvents())
    bank.do(OPENING)
    for _ in range(100):
        bank.do(credit(1))
    key = uuid7(bank.clock.milliseconds + skew * 1000, b"0123456789")
    version = bank.do(credit(5), command_id=key)
    for _ in range(200):
        bank.clock.forward(seconds=10)
        bank.do(credit(1))
    assert bank.do(credit(5), command_id=key) == version


def test_a_uuid7_of_a_quiet_stream_costs_no_more() -> None:
    store, clock = MemoryEvents(), Clock()
    bank = Teller(store, clock=clock)
    bank.do(OPENING)
    for _ in range(200):
        clock.forward(minutes=1)
        bank.do(credit(1), command_id=key_now(clock))
    events = Counting(store)
    Teller(events, clock=clock).do(credit(1), command_id=key_now(clock))
    assert events.calls == {"newest": 1, "append": 1}


@pytest.mark.parametrize("milliseconds", [0, 2**48 - 1])
def test_a_uuid7_of_any_time_is_taken(milliseconds: int) -> None:
    bank = Teller(MemoryEvents())
    bank.do(OPENING)
    key = uuid7(milliseconds, b"0123456789")
    assert bank.do(credit(1), command_id=key) == 2
    assert bank.do(credit(1), command_id=key) == 2


# --- races


class Rival(MemoryEvents):
    """Before each of our appends, someone else commits, *times* times."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    def append(self, commit: Commit, unless: StreamVersion | None = None) -> Commit | None:
        if commit.actor == "test" and commit.version > 1 and self.times:
            self.times -= 1
            rival = commit._replace(command_id=f"rival-{self.times}", actor="rival")
            assert super().append(rival) is None
        return super().append(commit, unless)


def test_a_lost_race_is_decided_again_on_the_new_state() -> None:
    events = Rival(times=1)
    bank = Teller(events)
    bank.do(OPENING)
    # The rival takes the same 5 first; ours then comes on top.
    assert bank.do(credit(5)) == 3
    assert [c.actor for c in commits(events)] == ["test", "rival", "test"]


def test_a_lost_race_can_end_in_a_refusal() -> None:
    events = Rival(times=0)
    bank = Teller(events)
    bank.do(OPENING)
    bank.do(credit(5))
    events.times = 1
    with pytest.raises(Refused, match="insufficient-funds"):
        bank.do(debit(5))
    assert len(commits(events)) == 3


def test_losing_every_attempt_says_so_and_writes_nothing() -> None:
    waits: list[int] = []
    events = Rival(times=10**6)
    bank = Teller(events, pause=waits.append)
    bank.do(OPENING)
    with pytest.raises(ContentionError):
        bank.do(credit(1))
    assert all(c.actor == "rival" for c in commits(events)[1:])
    assert waits == sorted(waits)
    assert len(waits) > 5


# --- snapshots


def snapshots(events: Any) -> list[int]:
    return [c.version for c in commits(events) if c.snapshot is not None]


def test_a_commit_after_twenty_folded_ones_carries_the_state_after_it() -> None:
    bank = Teller(MemoryEvents())
    bank.do(OPENING)
    for _ in range(99):
        bank.do(credit(1))
    assert snapshots(bank.events) == [21, 42, 63, 84]
    carrier = commits(bank.events)[41]
    assert carrier.snapshot is not None
    opens, written = opened_state(bank.vault, carrier, carrier.snapshot)
    state = from_json(Account, written)
    assert opens
    assert (state.status, state.balance, state.bookings) == ("open", 41, 41)


def test_a_snapshot_of_another_fold_is_passed_over_at_once() -> None:
    events = MemoryEvents()
    bank = Teller(events, fingerprint="old")
    bank.do(OPENING)
    for _ in range(30):
        bank.do(credit(1))
    (poisoned,) = [c for c in commits(events) if c.snapshot is not None]
    assert poisoned.snapshot is not None
    # Were it used, the balance would be wrong by far.
    events._streams[STREAM][poisoned.version] = poisoned._replace(
        snapshot=poisoned.snapshot._replace(state={"status": "open", "balance": 10**9})
    )
    new = Teller(events, fingerprint="new")
    with pytest.raises(Refused) as caught:
        new.do(debit(31))
    assert caught.value.facts["available"].minor == 30
    assert new.do(debit(30)) == 32
    assert snapshots(events) == [21, 32]


def test_a_snapshot_of_the_same_fold_is_used() -> None:
    events = MemoryEvents()
    bank = Teller(events)
    bank.do(OPENING)
    for _ in range(30):
        bank.do(credit(1))
    (carrier,) = [c for c in commits(events) if c.snapshot is not None]
    assert carrier.snapshot is not None
    _, state = opened_state(bank.vault, carrier, carrier.snapshot)
    raised = Snapshot(carrier.snapshot.fingerprint, {**state, "balance": 10**9})
    events._streams[STREAM][carrier.version] = carrier._replace(snapshot=raised)
    assert bank.do(debit(10**9)) == 32


# --- busy streams, freed epochs, foreign items


def busy(length: int) -> MemoryEvents:
    """A stream of *length* commits, ten in a second, by keys that are UUIDv7."""
    store, clock = MemoryEvents(), Clock()
    bank = Teller(store, clock=clock)
    bank.do(OPENING)
    for _ in range(length - 1):
        clock.forward(seconds=0.1)
        bank.do(credit(1), command_id=key_now(clock))
    return store


@pytest.mark.parametrize("length", [20, 21, 22, 64, 80])
def test_a_uuid7_on_a_stream_whose_commands_are_all_known_costs_no_more(length: int) -> None:
    clock = Clock()
    clock.forward(seconds=length / 10)
    events = Counting(busy(length))
    Teller(events, clock=clock).do(credit(1), command_id=key_now(clock))
    assert events.calls == {"newest": 1, "append": 1}


def test_a_uuid7_on_a_stream_with_64_commits_in_five_minutes_costs_no_more() -> None:
    store, clock = MemoryEvents(), Clock()
    bank = Teller(store, clock=clock)
    bank.do(OPENING)
    for _ in range(200):
        clock.forward(seconds=300 / 64)
        bank.do(credit(1), command_id=key_now(clock))
    events = Counting(store)
    clock.forward(seconds=5)
    Teller(events, clock=clock).do(credit(1), command_id=key_now(clock))
    assert events.calls == {"newest": 1, "append": 1}


@pytest.mark.slow
def test_an_id_made_for_the_request_looks_for_no_earlier_attempt() -> None:
    store = busy(1000)
    clock = Clock()
    clock.forward(seconds=100)
    events = Counting(store)
    bank = Teller(events, clock=clock)
    bank.do(credit(1), command_id=key_now(clock), may_repeat=False)
    assert events.calls == {"newest": 1, "append": 1}


def test_looking_back_ends_where_the_live_epoch_begins() -> None:
    events = MemoryEvents()
    opening = commit(STREAM, 1)
    for version in range(50, 80):
        events.append(
            commit(STREAM, version, epoch=2, epoch_start=50)._replace(
                events=opening.events if version == 50 else commit(STREAM, 2).events
            )
        )
    key = uuid7(Clock().milliseconds - 3 * 3_600_000, b"0123456789")
    assert Teller(events).do(credit(1), command_id=key) == 80
    (last,) = events.range(STREAM, 80, 80)
    assert (last.epoch, last.epoch_start) == (2, 50)


def test_rules_that_yield_nothing_write_nothing() -> None:
    """A generator is true, also one without an event."""

    def decide(_command: Any, _state: Account) -> Iterator[Any]:
        yield from ()

    lazy = replace(account, decider=replace(account.decider, decide=decide))  # type: ignore[arg-type]
    bank = Teller(MemoryEvents())
    with pytest.raises(TypeError, match="neither refused nor led to an event"):
        bank.do(OPENING, aggregate=lazy)
    assert list(bank.events.range(STREAM, 1, 9)) == []

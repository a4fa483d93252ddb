"""A stream that is copied as it is: who writes it, at every moment of a switch and of the way back."""

from dataclasses import replace
from typing import Any

import pytest

from chalicelib.bank.account.domain import CloseStatement, account
from chalicelib.leftfold.commands.handler import ContentionError
from chalicelib.leftfold.commands.owning import MovedError, NotActiveError
from chalicelib.leftfold.kernel import Bar, Boundaries, Refused
from chalicelib.leftfold.store.memory import MemoryEvents
from tests.faults import Counting
from tests.generations.site import GenerationTeller, Site
from tests.teller import OPENING, credit, debit
from tools.bank.transforms import accounts_merged

A = "main/account-a"


def opened() -> Site:
    """Blue with an account of three commits."""
    site = Site()
    blue = site.teller("blue")
    for command in (OPENING, credit(100), debit(30)):
        blue.do(command)
    return site


def test_a_copy_has_what_the_commit_has_and_says_where_it_is_from() -> None:
    site = opened()
    site.copy()
    copies = site.stream(site.green, A)
    for commit, copy in zip(site.stream(site.blue, A), copies, strict=True):
        assert copy.kind == "copy"
        assert (copy.root, copy.source) == ((A, commit.version), (A, commit.version))
        same = commit._replace(root=copy.root, source=copy.source, position=copy.position)
        assert copy == same
    assert [copy.position for copy in copies] == [0, 1, 2]


def test_while_it_replicates_green_takes_no_command_and_blue_does() -> None:
    site = opened()
    site.copy()
    with pytest.raises(NotActiveError):
        site.teller("green").do(credit(1))
    with pytest.raises(NotActiveError):
        site.teller("green").do(OPENING, "new")
    assert site.teller("blue").do(credit(1)) == 4


def test_a_stream_is_taken_by_the_first_command_to_it() -> None:
    site = opened()
    site.copy()
    site.teller("blue").do(credit(5))
    site.switch()
    assert site.teller("green").do(credit(7)) == 5
    assert site.blue.table.newest(A, consistent=True).bar == Bar(A, 5, 1)
    assert [c.mark for c in site.stream(site.green, A)] == [0, 0, 0, 1, 0]
    with pytest.raises(MovedError):
        site.teller("blue").do(credit(1))


def test_a_stream_that_was_just_taken_is_read_as_it_is_now() -> None:
    """A stale read may lack what the take has brought, and the command would decide without it."""
    site = opened()
    site.copy()
    site.switch()
    teller = site.teller("green")
    reads: Any = Counting(teller.events)
    teller.events = reads
    teller.do(credit(7))
    # As always at first; then whether it is ours; then what the take has brought.
    assert (reads.calls["newest"], reads.calls["newest consistent"]) == (1, 2)


def test_nothing_was_copied_and_the_first_command_still_finds_everything() -> None:
    site = opened()
    site.switch()
    with pytest.raises(Refused, match="insufficient-funds"):
        site.teller("green").do(debit(71))
    assert site.teller("green").do(debit(70)) == 4


def test_a_retry_finds_the_first_answer_in_either_generation() -> None:
    site = opened()
    assert site.teller("blue").do(credit(9), command_id="k") == 4
    site.switch()
    assert site.teller("green").do(credit(9), command_id="k") == 4
    assert site.teller("blue").do(credit(9), command_id="k") == 4
    assert site.teller("green").do(credit(9), command_id="g") == 5
    assert len(site.stream(site.green, A)) == 5


def test_an_earlier_command_is_found_without_the_stream_being_taken() -> None:
    """Looking is no command: whoever only asks moves no stream, and needs not wait for its owner."""
    site = opened()
    assert site.teller("blue").do(credit(9), command_id="k") == 4
    site.copy()
    site.switch()
    asked = site.teller("green").request(credit(9), command_id="k")
    assert site.teller("green").handler.taken(asked) == 4
    assert site.blue.table.newest(A, consistent=True).bar is None
    assert site.teller("green").do(credit(1)) == 5
    assert site.teller("blue").handler.taken(asked) == 4


def test_a_stream_that_is_nowhere_is_taken_for_a_command_that_creates_it_alone() -> None:
    site = opened()
    site.switch()
    with pytest.raises(Refused, match="account-missing"):
        site.teller("green").do(credit(1), "new")
    assert site.blue.table.newest("main/account-new", consistent=True) == ([], False, None)
    assert site.teller("green").do(OPENING, "new") == 1
    assert site.blue.table.newest("main/account-new", consistent=True).bar is not None
    with pytest.raises(MovedError):
        site.teller("blue").do(OPENING, "new")


def test_what_both_want_to_create_is_created_once() -> None:
    site = opened()
    site.switch()
    assert site.teller("blue").do(OPENING, "new", command_id="blue") == 1
    with pytest.raises(Refused, match="account-exists"):
        site.teller("green").do(OPENING, "new", command_id="green")
    assert site.teller("green").do(OPENING, "new", command_id="blue") == 1


def test_there_back_and_there_again() -> None:
    site = opened()
    site.copy()
    blue, green = site.teller("blue"), site.teller("green")
    site.switch()
    assert green.do(credit(1)) == 4
    site.switch()
    assert blue.do(credit(2)) == 5
    with pytest.raises(MovedError):
        green.do(credit(1))
    assert blue.do(credit(3)) == 6
    site.switch()
    assert green.do(credit(4)) == 7
    with pytest.raises(MovedError):
        blue.do(credit(1))
    versions = [(c.version, c.kind, c.root) for c in site.stream(site.green, A)]
    assert versions[3:] == [
        (4, "commit", None),
        (5, "copy", (A, 5)),
        (6, "copy", (A, 6)),
        (7, "commit", None),
    ]
    balance, _ = green.handler.state(account, A)
    assert balance.balance == 100 - 30 + 1 + 2 + 3 + 4


def test_a_stream_that_the_switch_did_not_reach_stays_where_it_is_on_the_way_back() -> None:
    site = opened()
    site.copy()
    site.switch()
    site.switch()
    assert site.teller("blue").do(credit(1)) == 4
    assert site.blue.table.newest(A, consistent=True).bar is None


def test_a_stream_created_in_green_goes_back_and_there() -> None:
    site = Site()
    site.switch()
    site.teller("green").do(OPENING)
    site.switch()
    assert site.teller("blue").do(credit(1)) == 2
    assert [c.kind for c in site.stream(site.blue, A)] == ["copy", "commit"]
    site.switch()
    assert site.teller("green").do(credit(1)) == 3


def test_the_background_taker_takes_what_nobody_asks_for_and_can_be_run_again() -> None:
    site = opened()
    site.teller("blue").do(OPENING, "b")
    site.switch()
    for _ in range(2):
        site.take_all()
    for stream in (A, "main/account-b"):
        assert site.blue.table.newest(stream, consistent=True).bar is not None
        assert site.stream(site.green, stream)[-1].mark == 1
    site.take_all()
    site.switch()
    site.take_all()
    assert site.teller("blue").do(credit(1), "b") == 2


def test_epochs_and_what_a_load_needs_are_as_blue_wrote_them() -> None:
    site = opened()
    blue = site.teller("blue")
    for _ in range(30):
        blue.do(credit(1))
    blue.do(CloseStatement("2026-01-31"))
    site.copy()
    for commit, copy in zip(site.stream(site.blue, A), site.stream(site.green, A), strict=True):
        assert copy.snapshot is None
        assert (copy.epoch, copy.epoch_start) == (commit.epoch, commit.epoch_start)
        assert copy.recent_commands == commit.recent_commands


def test_bars_and_copies_leave_the_logs_whole() -> None:
    site = opened()
    site.copy()
    site.switch()
    site.teller("green").do(credit(1))
    site.switch()
    site.teller("blue").do(credit(1))
    for truth in (site.blue, site.green):
        site.log(truth)
    logged = [c.line for block in site.blue.log.blocks(0) for c in block.commits]
    assert logged == [c.line for c in site.stream(site.blue, A)]
    logged = [c.line for block in site.green.log.blocks(0) for c in block.commits]
    assert logged == [c.line for c in site.stream(site.green, A)]


def test_a_copier_that_comes_late_puts_no_copy_above_a_bar() -> None:
    site = opened()
    site.copy()
    site.switch()
    site.take_all()
    site.switch()
    blue = site.teller("blue")
    for _ in range(3):
        blue.do(credit(1))
    site.copy()
    page = site.green.table.newest(A, consistent=True)
    assert page.bar == Bar(A, 4, 2)
    assert [c.version for c in page.commits] == [3, 2, 1]


def test_a_hand_over_that_was_begun_is_completed_before_the_next_one() -> None:
    """Green was barred for the way back, and whoever did so died: then control switched again."""
    site = opened()
    site.switch()
    site.take_all()
    site.switch()
    assert site.green.table.bar(Bar(A, 4, 2))
    site.switch()
    assert site.teller("green").do(credit(1)) == 4
    assert site.blue.table.newest(A, consistent=True).bar == Bar(A, 4, 3)
    assert site.green.table.newest(A, consistent=True).bar is None


def test_a_bar_of_a_stream_that_nobody_created_is_in_no_ones_way() -> None:
    """Green took a stream for a command that died. A refusal in blue has to stand behind no bar."""
    site = Site()
    site.switch()
    new = "main/account-new"
    site.there.take(new, 1)
    assert site.blue.table.newest(new, consistent=True).bar is not None
    site.switch()
    with pytest.raises(Refused, match="account-missing"):
        site.teller("blue").do(credit(1), "new")
    assert site.blue.table.newest(new, consistent=True).bar is None
    assert site.teller("blue").do(OPENING, "new") == 1


class Calls:
    """A port that notes the name of each call."""

    def __init__(self, port: Any) -> None:
        self.port = port
        self.names: list[str] = []

    def __getattr__(self, name: str) -> Any:
        self.names.append(name)
        return getattr(self.port, name)


def test_a_command_on_an_owned_stream_makes_no_call_more_than_before_any_generation() -> None:
    alone = Calls(MemoryEvents())
    for command in (OPENING, credit(1)):
        GenerationTeller(alone).do(command)
    assert alone.names == ["append", "newest", "append"]

    site = opened()
    site.switch()
    site.take_all()
    green = site.teller("green")
    green.do(credit(1))
    own, other, control = (
        Calls(port) for port in (site.green.table, site.blue.table, site.control)
    )
    assert green.owner is not None
    taker = replace(
        site.there, copying=replace(site.there.copying, giver=replace(site.blue, table=other))
    )
    green.owner = replace(green.owner, control=control, taker=taker)
    green.events = own
    green.do(credit(1))
    assert (own.names, other.names, control.names) == (["newest", "append"], [], [])


def test_the_first_command_to_a_stream_reads_both_ends_and_writes_a_bar_and_a_mark() -> None:
    site = opened()
    site.copy()
    site.switch()
    blue, green, control = (
        Calls(port) for port in (site.blue.table, site.green.table, site.control)
    )
    copying = replace(
        site.there.copying,
        giver=replace(site.blue, table=blue),
        receiver=replace(site.green, table=green),
    )
    teller = site.teller("green")
    assert teller.owner is not None
    teller.owner = replace(
        teller.owner, control=control, taker=replace(site.there, copying=copying)
    )
    teller.events = green
    teller.do(credit(1))
    # Once to learn whose turn it is. The taker asks the site's own before it bars.
    assert control.names == ["read"]
    # Each step reads both ends: before the bar, before the mark, and to see that all is done.
    assert [name for name in blue.names if name != "newest"] == ["bar"]
    assert [name for name in green.names if name != "newest"] == ["mark", "append"]
    assert (blue.names.count("newest"), green.names.count("newest")) == (3, 7)


def test_a_taker_that_has_slept_since_an_earlier_switch_bars_nothing() -> None:
    site = opened()
    site.switch()
    site.switch()
    site.teller("blue").do(credit(1))
    with pytest.raises(ContentionError):
        site.there.take(A, 1)
    assert site.blue.table.newest(A, consistent=True).bar is None
    assert site.teller("blue").do(credit(1)) == 5


class Slept:
    """A table whose reader has read a stream's end long ago."""

    def __init__(self, table: Any, end: Any) -> None:
        self._table, self._ends = table, [end]

    def newest(self, *args: Any, **kwargs: Any) -> Any:
        return self._ends.pop() if self._ends else self._table.newest(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._table, name)


def test_a_taker_that_slept_since_it_read_the_giver_gives_no_second_generation_the_stream() -> None:
    site = opened()
    site.switch()
    site.there.take(A, 1)
    end = site.blue.table.newest(A, limit=2, consistent=True)
    assert end.bar == Bar(A, 4, 1)
    site.switch()
    assert site.teller("blue").do(credit(1)) == 4
    # Another one that has slept copies, and finds that nobody wants the stream there any more.
    with pytest.raises(ContentionError):
        site.there.take(A, 1)
    assert [c.mark for c in site.stream(site.green, A)] == [0, 0, 1, 0]
    blue = replace(site.blue, table=Slept(site.blue.table, end))
    slept = replace(site.there, copying=replace(site.there.copying, giver=blue))
    with pytest.raises(ContentionError):
        slept.take(A, 1)
    assert [c.mark for c in site.stream(site.green, A)] == [0, 0, 1, 0]
    assert site.teller("blue").do(credit(1)) == 5
    with pytest.raises(MovedError):
        site.teller("green").do(credit(1))


def test_a_stream_whose_cause_was_merged_brings_the_cause_first() -> None:
    """A copy names its causes by the ids of today, and the one that is merged has none yet."""
    site = Site(Boundaries([accounts_merged({"b": "a"})]))
    blue = site.teller("blue")
    for key in "abc":
        blue.do(OPENING, key)
    blue.do(credit(1), "b")
    # Not even logged yet.
    blue.do(credit(1), "c", deps=(("main/account-b", 2),))
    site.switch()
    assert site.teller("green").do(credit(7), "c") == 3
    # What the cause needs is logged and copied, and nothing else.
    brought = site.stream(site.green, A)
    assert [commit.source for commit in brought] == [("main/account-b", n) for n in (1, 2)]
    (cause,) = site.stream(site.green, "main/account-c")[1].deps
    assert brought[cause[1] - 1].source == ("main/account-b", 2)

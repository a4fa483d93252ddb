"""Every run of the models: a sentence, a size with its rules, and the verdict."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from . import (
    answering,
    archiving,
    bodies,
    carrying,
    handing,
    hearing,
    merging,
    pruning,
    rows,
    sequencer,
    splitting,
)
from .answering import Answering
from .archiving import Archiving
from .bodies import Bodies
from .carrying import Carrying
from .checker import LIMIT, Result
from .handing import AGAIN, BACK, Handing
from .hearing import Hearing
from .merging import SAME_KEY, Merging
from .pruning import Pruning
from .publishing import FOLD, Publishing
from .rows import Commit, Rows
from .sequencer import Sequencer
from .splitting import MOVES, Splitting

HOLDS = "holds"
STUCK = "cannot always complete"


class Model(Protocol):
    """A size of a model with the rules in force."""

    def check(self, limit: int = LIMIT) -> Result:
        """Visit every state, or stop at the first violation."""
        ...


class Case(NamedTuple):
    """One run; `verdict` is HOLDS, STUCK or a violation's name; `least` counts states."""

    sentence: str
    model: Model
    verdict: str = HOLDS
    least: int = 0


def verdict(result: Result) -> str:
    """Say in a word or a name what a search found."""
    if result.violation:
        return result.violation.name
    return HOLDS if result.can_always_complete else STUCK


ONE_CAUSE = {(1, 1): ((0, 1),)}
ROWS_FIRST: tuple[rows.Read, ...] = ("rows", "parked_stream", "checkpoint")
SHORT = ((0, 1), (0, 0), (0,))
TINY = ((0, 1), (0,))
THREE = (Commit(0), Commit(1), Commit(0))
DELETED = (Commit(0), Commit(0, deletes=True), Commit(1))
REOPENED = (Commit(0), Commit(0, deletes=True), Commit(0))
PAIR = (Commit(0), Commit(0))
TRIPLE = (Commit(0), Commit(0), Commit(0))


def _parking(
    reads: tuple[rows.Read, ...] = ("checkpoint", "rows", "parked_stream"),
    save: rows.Save = "loaded",
    raises: rows.Raises = "if parked",
    **rules: bool,
) -> Rows:
    return Rows(PAIR, (0,), poison=0, redrives=1, reads=reads, save=save, raises=raises, **rules)


SEQUENCER = (
    Case("two relays, batches of two, the design's rules", Sequencer((2, 1)), least=14_000),
    Case(
        "two relays read the registry before the head",
        Sequencer((2, 1), reads="registry first"),
        least=14_000,
    ),
    Case("two relays, every read arbitrarily stale", Sequencer((1, 1), reads="stale"), least=2_000),
    Case("stale reads of the events table", Sequencer((2, 1), stale_events=True), least=14_000),
    Case(
        "a cause that is nowhere holds back its stream alone",
        Sequencer((2, 1), {(0, 1): ((1, 5),)}),
        least=2_000,
    ),
    Case(
        "a lost answer taken for a success, the head's hash compared",
        Sequencer((1, 1, 1), ONE_CAUSE, believes_lost_answers=True),
        least=40_000,
    ),
    Case(
        "a condition on the block alone, while nothing is pruned",
        Sequencer(batch=1, head_condition="none", block_condition=True),
        least=14_000,
    ),
    Case(
        "no condition on the registry, fresh reads, the head read first",
        Sequencer(batch=1, registry_condition=False),
        least=14_000,
    ),
    Case(
        "no condition on head or block",
        Sequencer(batch=1, head_condition="none"),
        sequencer.OVERWRITTEN,
    ),
    Case(
        "a lost answer taken for a success, a condition on the block alone",
        Sequencer((2, 1), head_condition="none", block_condition=True, believes_lost_answers=True),
        sequencer.HOLE,
    ),
    Case(
        "a lost answer taken for a success, the head compared without its hash",
        Sequencer((1, 1, 1), ONE_CAUSE, head_condition="position", believes_lost_answers=True),
        sequencer.BROKEN_CHAIN,
    ),
    Case(
        "no condition on the registry, which is read before the head",
        Sequencer(batch=1, reads="registry first", registry_condition=False),
        sequencer.TWICE,
    ),
    Case(
        "no condition on the registry, stale reads",
        Sequencer(batch=1, reads="stale", registry_condition=False),
        sequencer.TWICE,
    ),
    Case("no gap pull", Sequencer(batch=1, gap_pull=False), sequencer.GAP),
    Case("no causal pull", Sequencer(batch=1, causal_pull=False), sequencer.CAUSAL),
)

PUBLISHING = (
    Case("two readers, one relay, any loss, with the sweeper", Publishing(TINY), least=10_000),
    Case(
        "stale checkpoints and short reads of the log", Publishing(TINY, stale=True), least=10_000
    ),
    Case("two relays publish", Publishing(TINY, relays=2, readers=1), least=5_000),
    Case("a bus that delivers nothing", Publishing(SHORT, bus_delivers=False), least=10_000),
    Case(
        "the mark moved before the records are put",
        Publishing(TINY, mark_after_records=False),
        least=5_000,
    ),
    Case(
        "no sweeper", Publishing(SHORT, readers=1, sweeps_relays=False, sweeps_views=False), STUCK
    ),
    Case(
        "a sweeper that looks at the mark only",
        Publishing(SHORT, readers=1, sweeps_views=False),
        STUCK,
    ),
    Case(
        "a sweeper that looks at the views only",
        Publishing(SHORT, readers=1, sweeps_relays=False),
        STUCK,
    ),
    Case("a reader that does not drop what was seen", Publishing(SHORT, drops_seen=False), FOLD),
    Case("a reader that does not notice gaps", Publishing(SHORT, notices_gaps=False), FOLD),
    Case(
        "no compare-and-set on the checkpoint", Publishing(SHORT, checkpoint_condition=False), FOLD
    ),
    Case(
        "a record applied after a heal that came back short",
        Publishing(SHORT, stale=True, rereads_after_short_heal=False),
        FOLD,
    ),
)

ROWS = (
    Case("two functions, two rows, the design's rules", Rows(THREE), least=6_000),
    Case("stale reads of rows", Rows(THREE, stale_rows=True), least=12_000),
    Case("rows deleted with tombstones", Rows(DELETED), least=5_000),
    Case("rows deleted and opened again", Rows(REOPENED, stale_rows=True), least=5_000),
    Case(
        "rows read before the checkpoint, where no stream is ever parked",
        Rows(THREE, reads=ROWS_FIRST),
        least=8_000,
    ),
    Case(
        "saved on a lower position, the checkpoint read first, fresh reads",
        Rows(THREE, save="lower"),
        least=7_000,
    ),
    Case(
        "no compare-and-set on the checkpoint: the rows alone stay right",
        Rows(THREE, checkpoint_condition=False, checkpoint_may_go_back=True),
        least=7_000,
    ),
    Case("parking and redriving, the design's rules", _parking(), least=50_000),
    Case(
        "the parked_stream raised without a condition, which puts it back",
        _parking(raises="upsert"),
        least=50_000,
    ),
    Case(
        "saved on a lower position, rows read before the checkpoint",
        Rows(THREE, reads=ROWS_FIRST, save="lower"),
        rows.FOLD,
    ),
    Case(
        "saved on a lower position, stale reads of rows",
        Rows(THREE, save="lower", stale_rows=True),
        rows.FOLD,
    ),
    Case("saved on a lower position, a stream is redriven", _parking(save="lower"), rows.FOLD),
    Case(
        "no compare-and-set on the checkpoint", Rows(THREE, checkpoint_condition=False), rows.BACK
    ),
    Case("rows deleted without a tombstone", Rows(DELETED, tombstones=False), rows.BEHIND),
    Case(
        "rows and parked_stream read before the checkpoint, a stream is parked",
        _parking(ROWS_FIRST),
        rows.FOLD,
    ),
    Case(
        "the parked_stream read before the checkpoint",
        _parking(("parked_stream", "checkpoint", "rows")),
        rows.FOLD,
    ),
    Case("stale reads of the parked_stream", _parking(stale_marker=True), rows.FOLD),
    Case(
        "the checkpoint moved before the stream is parked", _parking(parks_first=False), rows.BEHIND
    ),
    Case(
        "a raise of a parked_stream that has gone is ignored",
        _parking(raises="ignore"),
        rows.BEHIND,
    ),
    Case(
        "a redrive without a condition on the parked_stream",
        _parking(redrive_condition=False),
        rows.BEHIND,
    ),
)

PRUNING = (
    Case("two views, three functions, one pruner", Pruning(), least=20_000),
    Case("two pruners", Pruning(readers=(0,), pruners=2), least=2_500),
    Case("two relays, one with an old head", Pruning(2, relays=2, readers=(0,)), least=300),
    Case(
        "a view joins late and falls back on segments",
        Pruning(readers=(0, 1), late_view=True),
        least=9_000,
    ),
    Case(
        "a reader that does not check continuity, pruned below every checkpoint",
        Pruning(2, continuity=False),
        least=3_000,
    ),
    Case("pruned beyond a checkpoint", Pruning(2, bound="the first checkpoint"), STUCK),
    Case(
        "pruned beyond a checkpoint, a reader that does not check continuity",
        Pruning(2, bound="the first checkpoint", continuity=False),
        pruning.SKIPPED,
    ),
    Case("blocks deleted before the copy is verified", Pruning(2, verifies=False), pruning.LOST),
    Case(
        "appended on condition of the block alone, at a pruned key",
        Pruning(2, relays=2, readers=(0,), appends_on="the block"),
        pruning.OVERWRITTEN,
    ),
    Case(
        "no compare-and-set on the checkpoint: it goes back below what was pruned",
        Pruning(2, checkpoint_condition=False),
        STUCK,
    ),
    Case(
        "a late view that falls back on segments only at first",
        Pruning(readers=(0, 1), late_view=True, falls_back="at first"),
        STUCK,
    ),
)

BODIES = (
    Case("two relays, one pruner, the design's rules", Bodies(), least=2_000),
    Case("two pruners", Bodies(pruners=2), least=2_000),
    Case(
        "a sweeper that deletes bodies of which the head has passed and the link is another's",
        Bodies(sweeps="another's, passed"),
        least=2_000,
    ),
    Case("the link written before the body", Bodies(first="link"), bodies.BODILESS),
    Case(
        "a body that has no link yet taken for an orphan",
        Bodies(sweeps="another's"),
        bodies.BODILESS,
    ),
    Case(
        "an orphan deleted without a look at the link",
        Bodies(sweeps="any, passed"),
        bodies.BODILESS,
    ),
    Case("a body under its position alone", Bodies(keyed_by="position"), bodies.ANOTHERS),
    Case("bodies deleted before the segment is listed", Bodies(lists_first=False), bodies.BODILESS),
    Case("a link without a body passed over", Bodies(missing_body="passed over"), bodies.SKIPPED),
    Case("the link deleted before its bodies", Bodies(bodies_first=False), STUCK),
    Case("the link's body deleted alone", Bodies(deletes="the link's"), STUCK),
    Case("a relay that puts a body where all is pruned", Bodies(late_puts=True), STUCK),
)

HEARING = (
    Case("two functions of one follower, the design's rules", Hearing(), least=500),
    Case("every wake is lost", Hearing(wakes="nobody"), least=500),
    Case("no sweeper", Hearing(sweeps="nothing"), STUCK),
    Case(
        "a sweeper that wakes only for what the follower hears",
        Hearing(sweeps="behind what it hears"),
        STUCK,
    ),
    Case(
        "a follower that hears nothing passes to the head",
        Hearing(passes_to="the head"),
        hearing.PASSED,
    ),
    Case("a link that names one category alone", Hearing(names="the first"), hearing.PASSED),
    Case(
        "no compare-and-set on the checkpoint: it goes back below what was pruned",
        Hearing(checkpoint_condition=False),
        STUCK,
    ),
)

ARCHIVING = (
    Case("three epochs, two writers, one archiver", Archiving(), least=3_000),
    Case("two archivers, deletes in any order", Archiving(archivers=2), least=20_000),
    Case("an epoch of a single commit", Archiving((1, 3, 4), archivers=2), least=4_000),
    Case("deleted oldest first", Archiving(deletes="oldest first"), least=2_500),
    Case("epochs in parts", Archiving((3, 5, 6), (1, 2, 4)), least=18_000),
    Case("epochs in parts, two archivers", Archiving((3, 4), (1, 2), archivers=2), least=13_000),
    Case(
        "the tombstone of a part put without a condition, by a slow archiver",
        Archiving((3, 4), (1, 2), archivers=2, tombstone_condition=False),
        archiving.HIDDEN,
    ),
    Case("archived before it is logged", Archiving(only_logged=False), archiving.UNLOGGED),
    Case("commits deleted before the copy is verified", Archiving(verifies=False), archiving.LOST),
    Case("version 1 freed", Archiving(keeps_version_1=False), archiving.TAKEN),
    Case("a key freed while a late writer is still alive", Archiving(grace=False), archiving.TAKEN),
    Case("the tombstone put after the deletes", Archiving(tombstone_first=False), archiving.HIDDEN),
    Case(
        "the tombstone put without a condition, by a slow archiver",
        Archiving(archivers=2, tombstone_condition=False),
        archiving.HIDDEN,
    ),
    Case(
        "the last epoch archived too, deletes in any order",
        Archiving(keeps_live=False),
        archiving.TAKEN,
    ),
    Case(
        "a resumed run copies what is left over the whole copy",
        Archiving(copies_if_absent=False),
        archiving.LOST,
    ),
)

ANSWERING = (
    Case("two executors, the design's rules", Answering(), least=450),
    Case("a target that refuses at first", Answering(frozen_first=True), least=340),
    Case(
        "the target loaded before the process is asked, with a second look",
        Answering(reads="target first"),
        least=700,
    ),
    Case(
        "no second look, where nobody ends the process from outside",
        Answering(ends=False, looks_again=False),
        least=200,
    ),
    Case(
        "taken though a process has moved that nobody ends, asked after the load",
        Answering(reads="target first", ends=False, taken_unless_moved=False),
        least=200,
    ),
    Case(
        "taken though the process has moved, asked after the load",
        Answering(reads="target first", taken_unless_moved=False),
        answering.LOST,
    ),
    Case(
        "taken though the process has moved, asked before the load",
        Answering(taken_unless_moved=False),
        answering.BOTH,
    ),
    Case(
        "a refusal recorded though the target has moved",
        Answering(refused_unless_moved=False),
        answering.BOTH,
    ),
    Case("no second look at the target", Answering(looks_again=False), answering.LOST),
    Case("no command id", Answering(command_ids=False), answering.TWICE),
)

HANDING = (
    Case("there, the design's rules", Handing(takers=1), least=8_000),
    Case(
        "there, back and there again, one command",
        Handing(AGAIN, commands=("1",)),
        least=12_000,
    ),
    Case("a stream that is created on the way", Handing(AGAIN, (), ("1",)), least=6_000),
    Case(
        "a writer that does not look at the newest item",
        Handing(writers_look=False),
        handing.OWNERS,
    ),
    Case("a bar put over whatever is at its key", Handing(bar_on_condition=False), handing.GONE),
    Case("barred and marked before the tail is copied", Handing(tail_first=False), handing.BOTH),
    Case(
        "the second generation creates a stream that is not barred in the first",
        Handing(start=(), asks_for_absent=False),
        handing.OWNERS,
    ),
    Case(
        "bars without the number of their switch",
        Handing(AGAIN, commands=("1",), numbered=False),
        handing.OWNERS,
    ),
    Case(
        "a bar taken away that is not the one that was read",
        Handing(AGAIN, commands=("1",), names_its_bar=False),
        handing.OWNERS,
    ),
    Case(
        "there and back, two takers",
        Handing(BACK, writers=1),
        least=26_000,
    ),
    Case(
        "a bar under the number of a switch that was read before the stream's end",
        Handing(BACK, writers=1, control_again=False),
        handing.OWNERS,
    ),
    Case(
        "there and back, the giver read before the receiver, one command",
        Handing(BACK, commands=("1",), writers=1, reads_apart=True),
        least=5_900,
    ),
    Case(
        "a mark by an end that was read before the stream was given back",
        Handing(BACK, commands=("1",), writers=1, reads_apart=True, same_end=False),
        handing.OWNERS,
    ),
    Case("abandoned once it switches", Handing(((0, 1), None), commands=("1",)), STUCK),
)

MERGING = (
    Case("two takers", Merging(takers=2, copiers=0, commands=SAME_KEY[:1]), least=1_400),
    Case("one key and body at both sources", Merging(copiers=0, commands=SAME_KEY), least=2_700),
    Case("a source that does not exist", Merging((("na",), ()), copiers=0), least=2_200),
    Case("a lane for each source", Merging(one_order=False, copiers=2), merging.ORDER),
    Case("the tails straight from the streams", Merging(waits_for_log=False), merging.ORDER),
    Case("one source not barred", Merging(bars_all=False), merging.LACKS),
    Case("marked before the tail is copied", Merging(copies_first=False), merging.LACKS),
    Case("copies with keys of their own", Merging(keeps_keys=False), merging.TWICE),
    Case(
        "a copy found by its key, whatever its source",
        Merging(commands=SAME_KEY, finds_by="key"),
        merging.NOWHERE,
    ),
)

SPLITTING = (
    Case("a taker, the design's rules", Splitting(copiers=0), least=7_000),
    Case("a stream that does not exist yet", Splitting((), copiers=0), least=3_700),
    Case(
        "no copy where there is no event, and the command is sent there",
        Splitting(copies_all=False, commands=MOVES),
        splitting.TWICE,
    ),
    Case("copies with keys of their own", Splitting(keeps_keys=False), splitting.TWICE),
    Case("marked before the tail is copied", Splitting(copies_first=False), splitting.LACKS),
    Case("the source not barred", Splitting(bars=False), splitting.TWICE),
)

CARRYING = (
    Case("two executors, nobody changes the target", Carrying(changes=0), least=5_000),
    Case("there and back, one executor", Carrying(executors=1, back=True), least=13_000),
    Case(
        "a step decided on a target that is not owned",
        Carrying(looks_at_target=False),
        carrying.WRITTEN,
    ),
    Case(
        "an earlier command looked for where it may not be yet",
        Carrying(looks_before_look=False),
        carrying.LOST,
    ),
    Case("ids made of positions of the log", Carrying(same_ids=False), carrying.TWICE),
    Case(
        "a checkpoint that passes what has moved, and goes over later",
        Carrying(passes_moved=True, handover="later", ends=False),
        carrying.LOST,
    ),
    Case(
        "a checkpoint that passes what has moved, and back",
        Carrying(passes_moved=True, back=True, ends=False),
        carrying.LOST,
    ),
    Case("taken whatever has become of the process", Carrying(unless_moved=False), carrying.LOST),
)

SUITE = (
    *SEQUENCER,
    *PUBLISHING,
    *ROWS,
    *PRUNING,
    *BODIES,
    *HEARING,
    *ARCHIVING,
    *ANSWERING,
    *HANDING,
    *MERGING,
    *SPLITTING,
    *CARRYING,
)

DEEP = (
    Case("two streams of two, batches of two", Sequencer(), least=240_000),
    Case(
        "two streams of two, every read arbitrarily stale",
        Sequencer(batch=1, reads="stale"),
        least=130_000,
    ),
    Case(
        "two streams, batches of two, every read arbitrarily stale",
        Sequencer((2, 1), reads="stale"),
        least=70_000,
    ),
    Case(
        "two streams of two, batches of two, every read arbitrarily stale",
        Sequencer(reads="stale"),
        least=1_000_000,
    ),
    Case("three relays", Sequencer((2, 1), relays=3, batch=1), least=20_000),
    Case("three relays, two streams of two", Sequencer(relays=3, batch=1), least=100_000),
    Case("three streams, batches of two", Sequencer((1, 1, 1), ONE_CAUSE), least=40_000),
    Case("three blocks, two readers", Publishing(SHORT), least=190_000),
    Case(
        "three blocks, stale checkpoints and short reads",
        Publishing(SHORT, stale=True),
        least=400_000,
    ),
    Case("four blocks, one of another lane only", Publishing(), least=300_000),
    Case("three blocks, two relays", Publishing(SHORT, relays=2), least=1_500_000),
    Case("four commits, three functions", Rows(functions=3), least=100_000),
    Case(
        "parking in a stream of three commits",
        Rows(TRIPLE, (0,), poison=1, redrives=1),
        least=200_000,
    ),
    Case(
        "parking a stream of two rows",
        Rows((Commit(0), Commit(1)), (0, 0), poison=0, redrives=1),
        least=200_000,
    ),
    Case("parking, two redrives", Rows(PAIR, (0,), poison=0, redrives=2), least=100_000),
    Case("parking, stale reads of rows", _parking(stale_rows=True), least=70_000),
    Case("parking beside another stream", Rows(THREE, poison=0, redrives=1), least=100_000),
    Case("parking a row that is deleted", Rows(DELETED, poison=1, redrives=1), least=100_000),
    Case("two views, two pruners, two relays", Pruning(relays=2, pruners=2), least=100_000),
    Case(
        "four blocks, a late view, two pruners",
        Pruning(4, readers=(0, 1), pruners=2, late_view=True),
        least=100_000,
    ),
    Case("three relays, three blocks, two pruners", Bodies(3, 3, 2), least=100_000),
    Case("three blocks for two functions of one follower", Hearing(3), least=15_000),
    Case(
        "three writers, two archivers, four epochs",
        Archiving((2, 4, 5, 6), writers=3, archivers=2),
        least=300_000,
    ),
    Case("four executors, four changes of mind", Answering(4, 4), least=5_000),
    Case("there, two takers", Handing(), least=40_000),
    Case("there and back, two takers", Handing(BACK), least=170_000),
    Case("there, back and there again", Handing(AGAIN), least=500_000),
    Case(
        "there and back, the giver read before the receiver",
        Handing(BACK, writers=1, reads_apart=True),
        least=120_000,
    ),
    Case("a merge with two writers", Merging(writers=2), least=76_000),
    Case("a merge with two takers", Merging(takers=2), least=50_000),
    Case("a split with two writers", Splitting(writers=2), least=100_000),
    Case("a split, and the command moves", Splitting(commands=MOVES), least=50_000),
    Case("a split with two takers", Splitting(takers=2), least=150_000),
    Case("a step, three executors", Carrying(3, 2), least=200_000),
    Case("a step, and back", Carrying(changes=2, back=True), least=300_000),
    Case(
        "a step, and back, frozen at first",
        Carrying(2, 2, frozen_first=True, back=True),
        least=200_000,
    ),
    Case(
        "a process read by another than its owner", Carrying(looks_at_process=False), least=40_000
    ),
)

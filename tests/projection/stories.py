"""Any history of piles, and any way in which a bus may deliver it."""

from collections.abc import Sequence

from hypothesis import strategies as st

from chalicelib.leftfold.store.bus import LaneRecord
from tests.builders import Added, Event, LogBuilder, Removed, stream

Block = Sequence[tuple[str, Sequence[Event]]]

streams = st.sampled_from([stream(key) for key in "abcde"] + [stream("x", "heap")])
events = st.builds(Added, st.integers(10, 16)) | st.just(Removed())
blocks = st.lists(
    st.tuples(streams, st.lists(events, min_size=1, max_size=3)), min_size=1, max_size=4
)
histories = st.lists(blocks, min_size=1, max_size=6)


def log_of(history: Sequence[Block]) -> LogBuilder:
    """The log of *history*."""
    story = LogBuilder()
    for block in history:
        story.block(*block)
    return story


@st.composite
def deliveries(draw: st.DrawFn, records: Sequence[LaneRecord]) -> list[list[LaneRecord]]:
    """Batches of *records*: some lost, some repeated, some too large, in any order."""
    chosen = draw(st.lists(st.sampled_from(records), max_size=2 * len(records)))
    carried = [
        record._replace(commits=None) if draw(st.booleans()) else record for record in chosen
    ]
    cuts = sorted(draw(st.sets(st.integers(0, len(carried)))))
    bounds = zip([0, *cuts], [*cuts, len(carried)], strict=True)
    return [carried[start:end] for start, end in bounds]

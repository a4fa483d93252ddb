"""Views of piles, right and wrong ones."""

from collections.abc import Iterable
from dataclasses import replace

from chalicelib.leftfold.kernel import Recorded, Row, View
from tests.builders import Added, Removed, codec

UNLUCKY = 13


class UnluckyError(Exception):
    """What a buggy view raises."""


def pile_key(recorded: Recorded) -> Iterable[str]:
    """One row a pile."""
    return (recorded.aggregate_id,)


def pile_row(row: Row | None, recorded: Recorded, _key: str) -> Row | None:
    """The amounts that were added, in their order; nothing after a removal."""
    if isinstance(recorded.event, Removed):
        return None
    amounts = row["amounts"] if row else []
    return {"amounts": [*amounts, recorded.event.amount], "version": recorded.version}


def addition_key(recorded: Recorded) -> Iterable[str]:
    """One row an addition."""
    if isinstance(recorded.event, Added):
        yield f"{recorded.aggregate_id}/{recorded.version}/{recorded.event_index}"


def addition_row(row: Row | None, recorded: Recorded, _key: str) -> Row:
    """The amount that was added."""
    assert row is None
    return {"amount": recorded.event.amount}


def parity_key(recorded: Recorded) -> Iterable[str]:
    """The row of all even amounts and that of all odd ones, and one for everything."""
    yield f"{recorded.tenant}/all"
    if isinstance(recorded.event, Added):
        yield f"{recorded.tenant}/{'odd' if recorded.event.amount % 2 else 'even'}"


def parity_row(row: Row | None, recorded: Recorded, _key: str) -> Row:
    """Whose turn it was, in the order of the log: any other order shows."""
    turns = row["turns"] if row else []
    return {"turns": [*turns, f"{recorded.aggregate_id}@{recorded.version}"]}


listening = {"pile": codec}
piles = View("piles", listening, pile_key, pile_row, store="documents")
additions = View(
    "additions",
    listening,
    addition_key,
    addition_row,
    store="documents",
    accumulates=False,
)
parity = View("parity", listening, parity_key, parity_row, store="documents", order="ordered")


def sum_row(row: Row | None, recorded: Recorded, _key: str) -> Row:
    """What was added, and the stream of the last commit; a removal counts as one less."""
    amount = -1 if isinstance(recorded.event, Removed) else recorded.event.amount
    return {"sum": (row["sum"] if row else 0) + amount, "last": recorded.aggregate_id}


sums = View(
    "sums",
    listening,
    lambda recorded: (f"{recorded.tenant}/{recorded.version % 3}",),
    sum_row,
    store="documents",
    order="ordered",
    merge=lambda earlier, later, _: {**later, "sum": earlier["sum"] + later["sum"]},
)


def buggy(view: View) -> View:
    """The view with a bug: it fails on an unlucky amount, which *view* itself takes."""

    def fold(row: Row | None, recorded: Recorded, key: str) -> Row | None:
        if recorded.event == Added(UNLUCKY):
            raise UnluckyError(recorded.event.amount)
        return view.fold(row, recorded, key)

    return replace(view, fold=fold)

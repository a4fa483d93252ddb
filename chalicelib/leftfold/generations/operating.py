"""What an operator, or a schedule, does about a change of generations. Every step can be run again.

Control is changed by compare-and-set, so two operators at once do no harm.
"""

import json
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from chalicelib.leftfold.generations.control import (
    Control,
    ControlTable,
    WrongStateError,
    abandoned,
    finished,
    switched,
    wrong,
)
from chalicelib.leftfold.generations.copier import READER, Copier
from chalicelib.leftfold.generations.taking import Taker
from chalicelib.leftfold.kernel.commit import canonical
from chalicelib.leftfold.store.ports import Checkpoints, Parking

TAKER = "taker"
NO_WAY_BACK = "a transform has no inverse, so there is no way back: create a third generation"
# A switch begins only once the copier is so close to the earlier log, in positions: the first
# command to a stream waits for the rest of it.
MOST_LAG = 1_000
# Streams that are taken between two notes, and keys in a page of the events table.
NOTED, PAGE = 100, 1_000
# Takers go side by side, each round a share of the giver's streams: a part of its registry, then a
# part of its table. Nothing is lost if another release has another number.
SHARES = 8


class Round(NamedTuple):
    """How far the background has come for one switch with one share: the streams *taken*, the last
    of them in the registry or the end of the last page of the table. *part* is what it goes round.
    """

    switch: int
    part: str = "registry"
    after: str | None = None
    taken: int = 0


class Taken(NamedTuple):
    """How far the background has come for one switch: the *streams* taken, and the shares of which
    some are *left*.
    """

    switch: int
    streams: int
    left: tuple[int, ...]


class Status(NamedTuple):
    """Where a change of generations stands."""

    control: Control
    lag: int
    parked: tuple[str, ...]
    taken: Taken


# Applies a function to each of the streams: one after another, or side by side.
Spread = Callable[[Callable[[str], object], Iterable[str]], object]


def one_by_one(act: Callable[[str], object], streams: Iterable[str]) -> object:
    """A `Spread` that takes one stream after another."""
    return [act(stream) for stream in streams]


@dataclass(frozen=True)
class Operator:
    """Switches, takes in the background, and ends a change. *back* is None where there is no way back.

    *checkpoints* and *parking* are the later generation's. *spread* takes streams side by side.
    The giver's streams are taken in so many *shares*.
    """

    control: ControlTable
    copier: Copier
    there: Taker
    back: Taker | None
    checkpoints: Checkpoints
    parking: Parking
    spread: Spread = one_by_one
    shares: int = SHARES

    def status(self) -> Status:
        """Where the change stands. Raises `WrongStateError` if there is none."""
        control = self._control()
        parked = tuple(sorted(stream for _, stream, _ in self.parking.all(READER)))
        return Status(control, self.copier.progress().lag, parked, self.taken(control))

    def switch(self, most_lag: int = MOST_LAG) -> Control:
        """Begins the next switch: there, or there again. Raises `WrongStateError`."""
        control = self._control()
        if control.state == "switching" and control.switch % 2:
            return control
        if control.state == "replicating":
            self._ready(most_lag)
        return self._change(control, switched(control))

    def switch_back(self) -> Control:
        """Begins the switch back. Raises `WrongStateError`."""
        control = self._control()
        if self.back is None:
            raise WrongStateError(NO_WAY_BACK)
        if control.state != "switching":
            raise wrong(control, "there is nothing to take back")
        return self._change(control, switched(control)) if control.switch % 2 else control

    def abandon(self) -> Control:
        """Gives the later generation up, while it is being filled. Raises `WrongStateError`."""
        return abandon(self.control)

    def redrive(self) -> tuple[str, ...]:
        """Copies to the streams that are parked in the copier; those that stay parked."""
        parked = sorted(stream for _, stream, _ in self.parking.all(READER))
        return tuple(stream for stream in parked if not self.copier.redrive(stream))

    def finish(self) -> Control:
        """Ends the change, once every stream has been taken. Raises `WrongStateError`."""
        control = self._control()
        if control.state == "finished":
            return control
        ended = finished(control)
        if self.taken(control).left:
            raise WrongStateError(
                "not every stream has been taken; let the taker go on, or run"
                " `leftfold generation take`"
            )
        return self._change(control, ended)

    def taken(self, control: Control) -> Taken:
        """How far the background has come for the last switch."""
        rounds = [self._noted(share, control) for share in range(self.shares)]
        left = tuple(share for share, made in enumerate(rounds) if made.part != "done")
        return Taken(control.switch, sum(made.taken for made in rounds), left)

    def take(
        self,
        shares: Collection[int] | None = None,
        goes_on: Callable[[], bool] = lambda: True,
        *,
        afresh: bool = False,
    ) -> Taken:
        """Takes streams of these *shares*, or of all, that nobody asks for, until all are taken or
        *goes_on* says no. Any number of calls may be at work, at the same share too.

        The next call goes on from there, or *afresh* from the first stream: the giver may have made
        streams behind a round that has passed. Raises `ContentionError` and `Unavailable`.
        """
        control = self._control()
        if control.state != "switching" and not (afresh and control.state == "finished"):
            raise wrong(control, "there is nothing to take")
        taker = self.there if control.switch % 2 else self.back
        if taker is None:
            raise WrongStateError(NO_WAY_BACK)
        for share in range(self.shares) if shares is None else shares:
            begun = Round(control.switch) if afresh else self._noted(share, control)
            if not self._take_share(taker, share, begun, goes_on):
                break
        return self.taken(control)

    def _take_share(
        self, taker: Taker, share: int, round_: Round, goes_on: Callable[[], bool]
    ) -> bool:
        """Takes what is left of a share; False once *goes_on* says no."""
        switch = round_.switch
        for next_round, streams in self._parts(taker, share, round_):
            feeds = taker.copying.boundaries.feeds
            targets = dict.fromkeys(target for stream in streams for target in feeds(stream))
            self.spread(lambda target: taker.take(target, switch), targets)
            round_ = next_round._replace(taken=round_.taken + len(streams))
            self.checkpoints.write_note(self._note_of(share), canonical(round_._asdict()))
            if not goes_on():
                return False
        return True

    def _parts(self, taker: Taker, share: int, round_: Round) -> Iterator[tuple[Round, list[str]]]:
        """The streams to take, with the state of the round once they are: first those of the
        giver's registry, then those that only its table has.
        """
        giver = taker.copying.giver
        if round_.part == "registry":
            batch: list[str] = []
            mine = giver.log.registry(round_.after, part=share, parts=self.shares, every_log=True)
            for stream, _ in mine:
                batch.append(stream)
                if len(batch) == NOTED:
                    yield round_._replace(after=stream), batch
                    batch = []
            round_ = round_._replace(part="table", after=None)
            yield round_, batch
        after = round_.after
        while round_.part == "table":
            keys, after = giver.table.scan(share, self.shares, after, PAGE)
            streams = sorted({stream for stream, _ in keys})
            known = giver.log.streams(streams)
            if after is None:
                round_ = round_._replace(part="done")
            yield round_._replace(after=after), [s for s in streams if s not in known]

    def _ready(self, most_lag: int) -> None:
        """Raises `WrongStateError` while the later generation is not ready to take over."""
        if parked := sorted(stream for _, stream, _ in self.parking.all(READER)):
            raise WrongStateError(
                f"the transform fails on {len(parked)} streams, first on {parked[0]}: mend it,"
                " deploy it, and run `leftfold generation redrive`"
            )
        lag = self.copier.progress().lag
        if lag > most_lag:
            raise WrongStateError(
                f"the copier is {lag:,} positions behind, and may be {most_lag:,}: let it catch up"
            )

    def _control(self) -> Control:
        return under_way(self.control)

    def _change(self, old: Control, new: Control) -> Control:
        return changed(self.control, old, new)

    def _noted(self, share: int, control: Control) -> Round:
        """How far a share is for this switch."""
        text = self.checkpoints.note(self._note_of(share))
        noted = Round(**json.loads(text)) if text else None
        return noted if noted and noted.switch == control.switch else Round(control.switch)

    def _note_of(self, share: int) -> str:
        """The name under which it is noted how far a share is. A share of another number of shares
        has other streams, so the name has the number.
        """
        return f"{TAKER}-{share}-of-{self.shares}"


def under_way(table: ControlTable) -> Control:
    """Control of a change. Raises `WrongStateError` if there is none."""
    control = table.read()
    if control is None or control.green is None:
        raise WrongStateError(
            "no second generation was created; `leftfold generation create NAME --transform` does"
        )
    return control


def changed(table: ControlTable, old: Control | None, new: Control) -> Control:
    """Control once it is *new*. Raises `WrongStateError` if it is not *old* any more."""
    if not table.change(old, new):
        raise WrongStateError("another operator was faster; look at the status")
    return new


def abandon(table: ControlTable) -> Control:
    """Gives the later generation up, while it is being filled. Raises `WrongStateError`."""
    control = under_way(table)
    return control if control.state == "abandoned" else changed(table, control, abandoned(control))

"""Planted faults in the hand-over of streams: each leaves a rule out, and some history must show it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from chalicelib.leftfold.commands import handler, loading
from chalicelib.leftfold.commands.handler import CommandHandler, CommandRequest
from chalicelib.leftfold.commands.loading import Loaded
from chalicelib.leftfold.commands.owning import NotOwnedError
from chalicelib.leftfold.generations import taking
from chalicelib.leftfold.generations.copying import Copying, End, Truth, end_of
from chalicelib.leftfold.generations.owner import GenerationOwner
from chalicelib.leftfold.generations.taking import Taker
from chalicelib.leftfold.kernel import Bar, Commit, Reaction
from chalicelib.leftfold.policies.work import Cause, PolicyWork
from chalicelib.leftfold.store.memory import MemoryEvents
from chalicelib.leftfold.store.ports import EffectKey, Log
from tests.simulation.generations import Kind, Rules

ONE_FOR_ONE: tuple[Kind, ...] = ("identity",)


@dataclass(frozen=True)
class Mutant:
    """What is replaced, and the beginnings of the laws that may show it. *first* is the seed to look
    from. A *rare* one shows itself in some hundred histories only. Its generations may have several
    logs.
    """

    breaks: tuple[str, ...]
    rules: Rules = field(default_factory=Rules)
    names: tuple[tuple[Any, str, Any], ...] = ()
    first: int = 1
    rare: bool = False
    has_several_logs: bool = False

    @contextmanager
    def planted(self) -> Iterator[Rules]:
        """The rules of its histories, while its names stand."""
        originals = [(where, name, getattr(where, name)) for where, name, _ in self.names]
        for where, name, replacement in self.names:
            setattr(where, name, replacement)
        try:
            yield self.rules
        finally:
            for where, name, original in originals:
                setattr(where, name, original)


def bars_anything(self: MemoryEvents, bar: Bar) -> bool:
    """The bar is put over whatever is at its key."""
    self._streams.setdefault(bar.aggregate_id, {})[bar.version] = bar
    return True


def removes_any_bar(self: MemoryEvents, bar: Bar) -> bool:
    """A bar goes, whichever it is."""
    stream = self._streams.get(bar.aggregate_id, {})
    if not isinstance(stream.get(bar.version), Bar):
        return False
    del stream[bar.version]
    return True


class MarksAtOnce(Taker):
    """The mark comes before the tail is copied."""

    def _copy_tail(self, source: str, target: str, mine: End, last: int) -> None:
        control = 1
        end = end_of(self.copying.giver, source)
        if end.bar is None:
            self.copying.giver.table.bar(Bar(source, end.version + 1, control))
        if mine.newest is not None and mine.newest.root is not None and not mine.newest.mark:
            self.copying.receiver.table.mark(target, mine.version, control)
            return
        super()._copy_tail(source, target, mine, last)


class OwnKeys(Copying):
    """A copy has a key of its own."""

    def copy(self, commit: Commit, target: str, *args: Any, **kwargs: Any) -> Commit:
        made = super().copy(commit, target, *args, **kwargs)
        if target == commit.aggregate_id:
            return made
        return made._replace(command_id=f"{made.command_id} in {target}", recent_commands=None)


class Tails(Taker):
    """The tails of merged streams come straight from the tables."""

    def _copy_logged(self, ends: dict[str, End], target: str, mine: End) -> bool:
        before = mine.newest
        have = {c.source for c in self.copying.receiver.table.range(target, 1, 10**6)}
        for source in ends:
            for commit in self.copying.giver.table.range(source, 1, 10**6):
                if (source, commit.version) in have:
                    continue
                copy = self.copying.copy(commit, target, before, None, waits=False)
                if not self._put(copy, None):
                    return False
                before = copy
        return True


def all_but_b(truth: Any, aggregate_id: str) -> End:
    """B of the giver is taken for barred."""
    end = end_of(truth, aggregate_id)
    if truth.name == "blue" and aggregate_id == "main/account-b" and end.bar is None:
        return end._replace(bar=Bar(aggregate_id, end.version + 1, 1))
    return end


class PassesMoved(PolicyWork):
    """A policy passes a step whose streams have moved."""

    def _persist(self, position: int, commit: Commit, step: Callable[[], None]) -> None:
        try:
            super()._persist(position, commit, step)
        except NotOwnedError:
            return


def by_position(self: Cause, policy: str) -> EffectKey:
    """A step is named by its place in this generation's log."""
    return EffectKey(policy, "log", self.recorded.position + 1, 0, self.name)


def reads(_owner: Any, _aggregate_id: str, read: Callable[[], Any]) -> Any:
    """Whoever reads a stream decides on it."""
    return read()


def looks(self: CommandHandler, request: Any) -> int | None:
    """An earlier command is looked for in whatever is there."""
    return self._earlier(request, self._load(request, consistent=True))


def appears(_commits: Sequence[Commit], _bar: Bar | None) -> bool:
    """A writer does not look at the newest item."""
    return True


def key_alone(command_id: str, _addressed: str | None) -> str:
    """A command is found by its key alone."""
    return command_id


class FirstOwner(GenerationOwner):
    """A generation that creates streams without asking the earlier one."""

    def __getattribute__(self, name: str) -> Any:
        return True if name == "first" else super().__getattribute__(name)


def without_asking(made: CommandHandler) -> CommandHandler:
    owner: Any = made.owner
    object.__setattr__(
        made,
        "owner",
        FirstOwner(owner.name, owner.control, owner.first, owner.taker, owner.wanted),
    )
    return made


def anything(_newest: Commit, _ends: Mapping[str, End]) -> bool:
    """The newest copy is marked, however old the giver's end is."""
    return True


class StaysBehind(PolicyWork):
    """A policy does not follow an id that has moved."""

    def _command(self, cause: Cause, reaction: Reaction) -> None:
        target = reaction.aggregate.stream(reaction.key, "main")
        request = self._request(cause, reaction.aggregate, target, reaction.command, "command")
        self._answer(cause, reaction, request)


def looks_here(_self: CommandHandler, request: CommandRequest, loaded: Loaded) -> int | None:
    """A policy that follows an id looks for its step under the new id alone."""
    found = loaded.version_of(request.command_id, request.addressed)
    return None if found is None else found[0]


def main_alone(self: Truth, _aggregate_id: str) -> Log:
    """Merged streams come from the log `main`, whatever log their sources are in."""
    return self.log


SAME = ("G1", "G2", "G3", "blue", "green", "money")
WORKFLOW = ("transfer", "money", "G1", "G2", "G3", "green", "blue")
MUTANTS: Mapping[str, Mutant] = {
    "a writer does not look at the newest item": Mutant(
        SAME, Rules(kinds=ONE_FOR_ONE), names=((loading, "owns", appears),), first=7
    ),
    "a bar is put over whatever is at its key": Mutant(
        SAME, names=((MemoryEvents, "bar", bars_anything),), first=46
    ),
    "a bar goes, whichever it is": Mutant(
        SAME,
        Rules(kinds=ONE_FOR_ONE),
        names=((MemoryEvents, "remove_bar", removes_any_bar),),
        rare=True,
    ),
    "the mark comes before the tail": Mutant(SAME, Rules(MarksAtOnce, kinds=ONE_FOR_ONE), first=3),
    "a mark goes by an end that was read long ago": Mutant(
        (*SAME, "completion"),
        Rules(kinds=ONE_FOR_ONE),
        names=((taking, "is_whole", anything),),
        first=21560,
    ),
    "a later generation creates streams without asking": Mutant(
        SAME, Rules(handler=without_asking, kinds=ONE_FOR_ONE)
    ),
    "copies have keys of their own": Mutant(
        ("G1",), Rules(copying=OwnKeys, kinds=("split",)), first=55
    ),
    "a copy is found by its key alone": Mutant(
        ("G1",),
        Rules(kinds=("merge",)),
        names=((loading, "lookup_id", key_alone),),
        first=30,
    ),
    "the tails of merged streams come from the tables": Mutant(
        ("G3",), Rules(Tails, kinds=("merge",)), first=106
    ),
    "one source is not barred": Mutant(
        SAME, Rules(kinds=("merge",)), names=((taking, "end_of", all_but_b),), first=5
    ),
    "a state is read by whoever asks": Mutant(
        WORKFLOW,
        Rules(kinds=ONE_FOR_ONE),
        names=((handler, "owned", reads), (CommandHandler, "taken", looks)),
        rare=True,
    ),
    "a policy passes what has moved": Mutant(
        WORKFLOW, Rules(acting=PassesMoved, kinds=ONE_FOR_ONE), first=112
    ),
    "a step is named by its place in the log": Mutant(
        WORKFLOW, Rules(kinds=ONE_FOR_ONE), names=((Cause, "key", by_position),), first=283
    ),
    "an e-mail is named by its place in the log": Mutant(
        ("G4",), Rules(kinds=ONE_FOR_ONE), names=((Cause, "key", by_position),)
    ),
    "a policy does not follow an id that has moved": Mutant(
        ("transfer",), Rules(acting=StaysBehind, kinds=("merge",))
    ),
    "a policy that follows an id looks for its step under the new one alone": Mutant(
        ("transfer", "money"),
        Rules(kinds=("merge",)),
        names=((CommandHandler, "_earlier", looks_here),),
        # tests/generations/test_policies.py has the history that shows it.
        rare=True,
    ),
    "merged streams are copied from the log main": Mutant(
        (*SAME, "completion"),
        Rules(kinds=("merge",)),
        names=((Truth, "log_with", main_alone),),
        has_several_logs=True,
    ),
}

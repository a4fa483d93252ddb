"""What must hold of transfers after any history: money moves whole, once, or comes back."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from chalicelib.bank.account.domain import Credited, Debited, StatementClosed, account
from chalicelib.bank.transfer.domain import Completed, Order, Requested, Transfer, transfer
from chalicelib.domain import DOMAIN
from chalicelib.leftfold.kernel import AggregateId, Commit
from chalicelib.leftfold.policies.work import email_of
from chalicelib.leftfold.projection.fold import category_of
from chalicelib.leftfold.store.ports import EffectKey
from chalicelib.leftfold.store.readers import ends_of
from tests.commits import events_in
from tests.simulation.world import POLICIES, VIEWS, World

ENDED = ("completed", "refused", "cancelled", "expired")


@dataclass
class Legs:
    """A transfer as the log tells it: its state, and what the accounts booked for it."""

    state: Transfer = field(default_factory=Transfer)
    order: Order | None = None
    booked: list[tuple[str, str, int]] = field(default_factory=list)
    answered: Counter[str] = field(default_factory=Counter)

    @property
    def under_way(self) -> int:
        """The money that has left one account and has not reached another."""
        return sum(-amount for _, _, amount in self.booked)


def money_is_wrong(world: World) -> Iterator[str]:
    """Every law of money that the history broke, in words."""
    commits = [c for block in world.log.blocks(0) for c in block.commits]
    yield from money_appears(commits)
    yield from transfers_are_wrong(commits)
    yield from answers_are_late(world)
    yield from effects_are_wrong(world, commits)
    yield from policies_are_behind(world)
    yield from replay_acts(world)


def money_appears(commits: Sequence[Commit]) -> Iterator[str]:
    """The sum of all money never changes, but for what clients bring and take: what is on
    accounts and what is under way, at every position of the log.
    """
    brought = found = 0
    legs: dict[str, Legs] = defaultdict(Legs)
    for position, commit in enumerate(commits):
        take(legs, commit)
        if category_of(commit.aggregate_id) != account.category:
            continue
        for event in events_in(commit, account.codec):
            if isinstance(event, Credited | Debited):
                amount = event.amount if isinstance(event, Credited) else -event.amount
                found += amount
                brought += 0 if event.transfer else amount
        under_way = [leg.under_way for leg in legs.values()]
        if found + sum(under_way) != brought or min(under_way, default=0) < 0:
            yield f"money: at {position} {brought} were brought, {found} are on accounts"
            return


def transfers_are_wrong(commits: Sequence[Commit]) -> Iterator[str]:
    """Every transfer ends; it moved the money once, or not at all, or there and back."""
    legs: dict[str, Legs] = defaultdict(Legs)
    for commit in commits:
        take(legs, commit)
    for key, leg in legs.items():
        order, stage = leg.order, leg.state.stage
        if order is None:
            yield f"transfer {key}: money moved for nobody: {leg.booked}"
            continue
        if stage not in ENDED:
            yield f"transfer {key}: did not end: it is {stage}"
        out = (order.source, "transfer-out", -order.amount)
        into = (order.target, "transfer-in", order.amount)
        back = (order.source, "transfer-back", order.amount)
        right = [[out, into]] if stage == "completed" else [[], [out, back]]
        if leg.booked not in right:
            yield f"transfer {key}: is {stage}, but moved {leg.booked}"
        if any(number > 1 for number in leg.answered.values()):
            yield f"transfer {key}: was answered twice: {leg.answered}"


def answers_are_late(world: World) -> Iterator[str]:
    """A command was awaited when it was taken, and was recorded before its step was passed;
    a refusal stood when it was recorded.
    """
    awaits = {f"policy:{policy.name}": policy.awaits for policy in POLICIES}
    states: dict[str, Transfer] = defaultdict(Transfer)
    versions: Counter[str] = Counter()
    if world.unanswered:
        yield f"answer: passed, taken and not recorded: {world.unanswered}"
    for commit in world.appended:
        stream, awaited = commit.aggregate_id, awaits.get(commit.actor)
        if category_of(stream) == transfer.category:
            events = events_in(commit, transfer.codec)
            states[stream] = transfer.decider.fold(events, states[stream])
            if {"debit-refused", "credit-refused"} & {event.name for event in commit.events}:
                for target, version in commit.deps:
                    if versions[target] != version:
                        yield f"answer: {stream} was refused at {version} of {target}, which moved"
        elif awaited and not awaited(states[commit.deps[0][0]], None):
            yield f"answer: {commit.deps[0][0]} did not await version {commit.version} of {stream}"
        versions[stream] = commit.version


def take(legs: dict[str, Legs], commit: Commit) -> None:
    """Adds what a commit tells of transfers."""
    _, category, key = AggregateId.parse(commit.aggregate_id)
    if category == transfer.category:
        leg = legs[key]
        events = events_in(commit, transfer.codec)
        leg.state = transfer.decider.fold(events, leg.state)
        leg.answered.update(ANSWERS[e.name] for e in commit.events if e.name in ANSWERS)
        for event in events:
            if isinstance(event, Requested):
                leg.order = event.order
    if category == account.category:
        for event in events_in(commit, account.codec):
            if isinstance(event, Credited | Debited) and event.transfer:
                amount = event.amount if isinstance(event, Credited) else -event.amount
                legs[event.transfer].booked.append((key, event.operation or "", amount))


# Each step's answers.
ANSWERS = {
    "source-debited": "debit",
    "source-debited-late": "debit",
    "debit-refused": "debit",
    "target-credited": "credit",
    "credit-refused": "credit",
    "source-refunded": "refund",
}


# The name of the reaction that tells of an event.
NOTICES = {Completed: "completed", StatementClosed: "statement"}


def effects_are_wrong(world: World, commits: Sequence[Commit]) -> Iterator[str]:
    """Each e-mail is in the ledger once, done, and was there before it was sent."""
    due: dict[EffectKey, str] = {}
    for commit in commits:
        codec = DOMAIN.aggregates[category_of(commit.aggregate_id)].codec
        (opened,) = world.vault.opened([commit])
        for index, event in enumerate(events_in(opened, codec)):
            if address := address_of(event):
                stream, name = commit.aggregate_id, NOTICES[type(event)]
                due[EffectKey("notify", stream, commit.version, index, name)] = address
    recorded = {key: world.decided(key)["to"] for key in world.effects.stored}
    if recorded != due:
        yield f"effects: {recorded} are recorded, {due} are due"
    if open_ := [key for key, effect in world.effects.stored.items() if effect.answer is None]:
        yield f"effects: never done: {open_}"
    if world.unplanned:
        yield f"effects: sent before their record: {world.unplanned}"
    sent = Counter(world.mailer.sent)
    texts = Counter(email_of(key, world.decided(key)) for key in world.effects.stored)
    if set(sent) != set(texts) or any(sent[email] < n for email, n in texts.items()):
        yield f"effects: {sent} were sent, {texts} are recorded"
    faults = world.scheduler.faults
    may_double = sum(faults[f] for f in ("crash", "zombie", "fail_before", "fail_after"))
    if sent.total() - texts.total() > may_double:
        yield f"effects: {sent.total()} were sent for {texts.total()}"


def address_of(event: Any) -> str | None:
    """Who is to be told of an event."""
    match event:
        case Completed(order):
            return order.notify
        case StatementClosed(email=address):
            return address
    return None


def policies_are_behind(world: World) -> Iterator[str]:
    """Every policy has come to the end."""
    for policy in POLICIES:
        ends = ends_of(policy, world.log.head())
        done = world.checkpoints.read(policy.name, list(ends))
        if any(done[key] < end for key, end in ends.items()):
            yield f"I8: {policy.name} has not come to the end"


def replay_acts(world: World) -> Iterator[str]:
    """A replay of every view runs no policy: no command, no effect, nothing planned."""
    before = acts(world)
    for view in VIEWS:
        world.parts.replay(world, view)
    if acts(world) != before:
        yield f"replay: {before} became {acts(world)}"


def acts(world: World) -> tuple[int, int, int]:
    """What policies have done: invocations, commits, e-mails."""
    places, _ = world.events.scan(0, 1, None, 10**9)
    return world.invocations, len(places), len(world.mailer.sent)

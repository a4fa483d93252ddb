"""Steps of workflows whose target has another id in the later generation."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from chalicelib.bank.account.domain import account
from chalicelib.bank.transfer.domain import Order, RequestTransfer, transfer
from chalicelib.bank.transfer.policies import debit_source
from chalicelib.leftfold.commands.handler import CommandHandler
from chalicelib.leftfold.kernel import AggregateId, Boundaries, Commit, Transform
from chalicelib.leftfold.policies.mailing import NoMailer
from chalicelib.leftfold.policies.work import PolicyWork
from chalicelib.leftfold.projection.partitioned import PartitionedRunner
from chalicelib.leftfold.store.memory import MemoryCheckpoints, MemoryEffects, MemoryParking
from chalicelib.leftfold.store.ports import ParkedStream, StreamVersion, Unavailable
from tests.generations.site import AGGREGATES, Site, no_pause
from tests.teller import OPENING, credit
from tests.vaults import vault_of
from tools.bank.transforms import accounts_merged, card, renamed

A, B, CARD = "main/account-a", "main/account-b", "main/card-b"
T = "main/transfer-t"
NEVER = "2099-01-01T00:00:00.000Z"


@dataclass
class Deaf:
    """An events table on which a policy's answers to a process fail."""

    table: Any

    def __getattr__(self, name: str) -> Any:
        return getattr(self.table, name)

    def append(self, commit: Commit, unless: StreamVersion | None = None) -> Commit | None:
        if commit.aggregate_id == T:
            raise Unavailable("the answer is lost")
        found: Commit | None = self.table.append(commit, unless)
        return found


def site_of(transform: Transform) -> Site:
    """Accounts a and b, of which a transfer moves 30 from b to a."""
    site = Site(Boundaries([transform]), {**AGGREGATES, "card": card})
    blue = site.teller("blue")
    for key in "ab":
        blue.do(OPENING, key)
        blue.do(credit(100), key)
    transferring(site, "t", "b", "a")
    return site


def transferring(site: Site, key: str, source: str, target: str) -> None:
    order = Order(source, target, 30, "CZK", "2026-01-01")
    site.teller("blue").do(RequestTransfer(order, NEVER), key, aggregate=transfer)


def debited(site: Site, name: str, handler: CommandHandler) -> dict[str, ParkedStream]:
    """Runs the first step of all transfers in a generation; what it parks, by stream."""
    truth = site.blue if name == "blue" else site.green
    site.log(truth)
    effects = MemoryEffects(lambda: datetime(2026, 1, 1, tzinfo=UTC))
    work = PolicyWork(debit_source, handler, effects, NoMailer(), "test", no_pause, map, vault_of())
    parking = MemoryParking()
    runner = PartitionedRunner(work, truth.log, MemoryCheckpoints(), parking, no_pause)
    while runner.catch_up(8):
        pass
    return {stream: parked for _, stream, parked in parking.all()}


def names(site: Site, stream: str) -> list[str]:
    return [event.name for commit in site.stream(site.green, stream) for event in commit.events]


def test_a_step_goes_to_where_its_target_was_merged() -> None:
    site = site_of(accounts_merged({"b": "a"}))
    site.copy()
    site.switch()
    assert debited(site, "green", site.teller("green").handler) == {}
    assert names(site, A)[-1] == "account-debited"
    assert names(site, T) == ["transfer-requested", "source-debited"]
    *_, answer = site.stream(site.green, T)
    # Its cause is the debit, at its place in the merged stream.
    assert (A, len(site.stream(site.green, A))) in answer.deps


def test_a_step_that_was_taken_under_the_old_id_is_recorded_and_not_taken_again() -> None:
    site = site_of(accounts_merged({"b": "a"}))
    blue = site.teller("blue").handler
    assert list(debited(site, "blue", replace(blue, events=Deaf(site.blue.table)))) == [T]
    assert len(site.stream(site.blue, B)) == 3
    site.copy()
    site.switch()
    assert debited(site, "green", site.teller("green").handler) == {}
    assert names(site, A).count("account-debited") == 1
    assert names(site, T) == ["transfer-requested", "source-debited"]


def b_is_a_card() -> Transform:
    """Account b is a card from now on, and no account any more."""

    def feeds(stream: AggregateId) -> tuple[AggregateId, ...]:
        return (stream._replace(category="card") if stream.key == "b" else stream,)

    def sources(stream: AggregateId) -> tuple[AggregateId, ...]:
        is_there = (stream.key == "b") == (stream.category == "card")
        return (stream._replace(category=account.category),) if is_there else ()

    def events(moving: Any) -> Any:
        (target,) = feeds(moving.stream)
        name = moving.event.name.replace("account", target.category)
        yield target, renamed(moving.event, name)

    return Transform(account.category, (account.category, card.category), feeds, sources, events)


def test_a_step_to_an_id_that_is_of_another_kind_now_parks_its_process_alone() -> None:
    site = site_of(b_is_a_card())
    transferring(site, "u", "a", "b")
    site.copy()
    site.switch()
    parked = debited(site, "green", site.teller("green").handler)
    assert list(parked) == [T]
    assert CARD in parked[T].reason
    assert names(site, "main/transfer-u") == ["transfer-requested", "source-debited"]

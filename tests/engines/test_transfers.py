"""Transfers on DynamoDB Local: rival functions, faults, and accounts that change their minds."""

from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from itertools import cycle
from random import Random
from threading import Event

from chalicelib.bank.account.domain import Freeze, Open, Unfreeze
from chalicelib.bank.transfer.domain import Cancel, Command, Order, RequestTransfer, transfer
from chalicelib.leftfold.commands.handler import ContentionError
from chalicelib.leftfold.kernel import Commit, Refused
from chalicelib.leftfold.projection.fold import PoisonError
from chalicelib.leftfold.relay.relay import wanted_of
from chalicelib.leftfold.store.ports import Unavailable
from tests.engines.deployment import Deployment
from tests.engines.left import scanned
from tests.engines.run import Bell, NoBus
from tests.simulation.money import ENDED, Legs, money_appears, take, transfers_are_wrong
from tests.teller import credit

SEED, RATE = 7, 0.03
ACCOUNTS, TRANSFERS, ROUNDS = "abcd", 30, 10
STEPS = ("debit_source", "credit_target", "refund_source")


def persistently(code: Callable[[], object]) -> None:
    """A client or a function that is started again until it gets an answer."""
    while True:
        try:
            code()
        except (Unavailable, ContentionError):
            continue
        except Refused:
            pass
        return


def logged(deployment: Deployment) -> list[Commit]:
    """The whole log, after everything that was committed has been logged."""
    services = deployment.relaying(None, NoBus(), Bell([]))
    services.relay.run(wanted_of(scanned(services.events)))
    return [commit for block in services.log.blocks(0) for commit in block.commits]


def act(deployment: Deployment, policy: str) -> None:
    """One invocation of a policy's function, which a fault may end."""
    with suppress(Unavailable):
        while deployment.services("view").policy(policy).catch_up(8):
            pass


def redrive(deployment: Deployment) -> None:
    """People mend what is parked."""
    services = deployment.services()
    for policy, stream, _ in list(services.parking.all()):
        with suppress(PoisonError, Unavailable):
            services.policy(policy).redrive(stream)


def moody(deployment: Deployment, ended: Event) -> None:
    """An account that is frozen and thawed for as long as the transfers run."""
    for command in cycle([Freeze(), Unfreeze()]):
        if ended.wait(0.01):
            break
        persistently(partial(deployment.bank("f").do, command, "c"))
    persistently(partial(deployment.bank("f").do, Unfreeze(), "c"))


def all_ended(commits: list[Commit]) -> bool:
    legs: dict[str, Legs] = defaultdict(Legs)
    for commit in commits:
        take(legs, commit)
    return all(leg.state.stage in ENDED for leg in legs.values())


def test_money_moves_once_or_comes_back(dynamodb_local: str) -> None:
    deployment = Deployment(dynamodb_local, SEED, RATE)
    random = Random(SEED)

    def ask(number: int) -> None:
        source, target = random.sample(ACCOUNTS, 2)
        order = Order(source, target, random.randint(1, 90), "CZK", "2026-01-01")
        commands: list[Command] = [RequestTransfer(order, "2099-01-01T00:00:00.000Z")]
        commands += [Cancel()] * (number % 5 == 0)
        for place, command in enumerate(commands):
            do = partial(deployment.bank("f").do, aggregate=transfer)
            persistently(partial(do, command, f"t{number}", command_id=f"{number}-{place}"))

    for key in ACCOUNTS:
        do = deployment.bank("f").do
        persistently(partial(do, Open("Ada", "CZK", "current"), key))
        persistently(partial(do, credit(200), key, command_id=f"{key}-credit"))
    ended = Event()
    with ThreadPoolExecutor(12) as pool:
        mood = pool.submit(moody, deployment, ended)
        try:
            asked = pool.map(ask, range(TRANSFERS))
            for _ in range(ROUNDS):
                commits = logged(deployment)
                list(pool.map(lambda policy: act(deployment, policy), STEPS * 2))
                redrive(deployment)
            list(asked)
        finally:
            ended.set()
        mood.result()
    deployment.calm_down()
    while not all_ended(commits):
        for policy in STEPS:
            act(deployment, policy)
        redrive(deployment)
        commits = logged(deployment)
    assert [*money_appears(commits), *transfers_are_wrong(commits)] == []
    names = {event.name for commit in commits for event in commit.events}
    assert names >= {"transfer-completed", "transfer-refused", "account-frozen"}
    assert deployment.faults["view"].struck.total() > 0

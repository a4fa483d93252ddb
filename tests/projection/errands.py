"""Errands: a small process for tests. Somebody asks that an account be debited."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from chalicelib.bank.account.domain import Open, account
from chalicelib.leftfold.commands.handler import CommandHandler, CommandRequest
from chalicelib.leftfold.kernel import (
    Aggregate,
    Codec,
    Commit,
    Decider,
    Email,
    Policy,
    Reaction,
    Recorded,
    Refused,
)
from chalicelib.leftfold.policies.mailing import MemoryMailer
from chalicelib.leftfold.policies.work import PolicyWork
from chalicelib.leftfold.projection.partitioned import PartitionedRunner
from chalicelib.leftfold.relay.sequencer import Sequencer
from chalicelib.leftfold.store.memory import (
    MemoryCheckpoints,
    MemoryEffects,
    MemoryEvents,
    MemoryLog,
    MemoryParking,
)
from tests.clock import Clock
from tests.projection.runners import NEVER, Interruption
from tests.teller import Teller, credit, debit

FINGERPRINTS = {"account": "fold-1", "errand": "fold-1"}


@dataclass(frozen=True)
class Ask:
    account: str
    amount: int


@dataclass(frozen=True)
class Drop:
    pass


@dataclass(frozen=True)
class RecordDone:
    version: int


@dataclass(frozen=True)
class RecordTurned:
    code: str


@dataclass(frozen=True)
class Asked:
    account: str
    amount: int


@dataclass(frozen=True)
class Dropped:
    pass


@dataclass(frozen=True)
class Done:
    version: int


@dataclass(frozen=True)
class Turned:
    code: str


@dataclass(frozen=True)
class Errand:
    status: str = "missing"


def decide(command: Any, errand: Errand) -> list[Any]:
    """An errand is done, turned down or dropped; also one that was dropped may be done."""
    match command, errand.status:
        case Ask(key, amount), "missing":
            return [Asked(key, amount)]
        case Drop(), "asked":
            return [Dropped()]
        case RecordDone(version), "asked" | "dropped":
            return [Done(version)]
        case RecordTurned(code), "asked":
            return [Turned(code)]
        case _, status:
            raise Refused(f"errand-{status}")


def evolve(_errand: Errand, event: Any) -> Errand:
    """Only the status is left of an errand."""
    return Errand(type(event).__name__.lower())


codec: Codec[Any] = Codec({"asked": Asked, "dropped": Dropped, "done": Done, "turned": Turned})
errand = Aggregate("errand", Decider(decide, evolve, Errand()), codec)


def run_errand(recorded: Recorded) -> Iterable[Reaction]:
    """The debit that was asked for."""
    match recorded.event:
        case Asked(key, amount):
            yield Reaction(
                "debit",
                account,
                key,
                debit(amount),
                RecordDone,
                lambda code, _facts: RecordTurned(code),
            )


def tell(recorded: Recorded) -> Iterable[Email]:
    """A word to Ada when it is done."""
    if isinstance(recorded.event, Done):
        yield Email("done", "ada@example.com", "Done", f"at version {recorded.event.version}")


def is_asked(state: Errand, _event: Any) -> bool:
    return state.status == "asked"


runs = Policy("runs", (errand,), run_errand, is_asked)
tells = Policy("tells", (errand,), tell)


@dataclass
class Office:
    """Everything in memory, and policies on it that can be interrupted at any call."""

    events: MemoryEvents = field(default_factory=MemoryEvents)
    log: MemoryLog = field(default_factory=MemoryLog)
    checkpoints: MemoryCheckpoints = field(default_factory=MemoryCheckpoints)
    parking: MemoryParking = field(default_factory=MemoryParking)
    mailer: MemoryMailer = field(default_factory=MemoryMailer)
    clock: Clock = field(default_factory=Clock)
    owners: int = 0

    def __post_init__(self) -> None:
        self.effects = MemoryEffects(self.clock)
        self.bank = Teller(self.events, clock=self.clock)
        self.bank.do(Open("Ada", "CZK", "current"))
        self.bank.do(credit(100))

    def runner(self, policy: Policy, interruption: Interruption = NEVER) -> PartitionedRunner:
        """A function that runs the policy."""
        self.owners += 1
        around = interruption.around
        acting = PolicyWork(
            policy,
            CommandHandler(around(self.events), FINGERPRINTS, self.clock, pause, self.bank.vault),
            around(self.effects),
            around(self.mailer),
            f"owner-{self.owners}",
            pause,
            map,
            self.bank.vault,
        )
        log, checkpoints = around(self.log), around(self.checkpoints)
        return PartitionedRunner(acting, log, checkpoints, around(self.parking), pause)

    def run(self, policy: Policy, interruption: Interruption = NEVER) -> None:
        """Brings the log and then the policy to the end."""
        self.relay()
        runner = self.runner(policy, interruption)
        while runner.catch_up(2):
            pass

    def relay(self) -> None:
        """Logs what was committed."""
        stored, _ = self.events.scan(0, 1, None, 10**6)
        list(Sequencer(self.events, self.log, pause, lambda _: None).sequence(dict(stored)))

    def do(self, command: Any, key: str = "e") -> None:
        """A command to an errand."""
        number = len(self.events.scan(0, 1, None, 10**6)[0])
        handler = CommandHandler(self.events, FINGERPRINTS, self.clock, pause, self.bank.vault)
        name = f"command-{number}"
        stream = errand.stream(key, "main")
        handler.execute(
            CommandRequest(errand, stream, command, name, "00" * 8, "ada", f"corr-{number}")
        )

    def commits(self, stream: str) -> list[Commit]:
        return list(self.events.range(stream, 1, 10_000))

    def debits(self) -> int:
        """How often the account was debited."""
        names = [e.name for c in self.commits(account.stream("a", "main")) for e in c.events]
        return names.count("account-debited")

    def history(self, key: str = "e") -> list[str]:
        """What has happened to an errand, by name."""
        return [e.name for c in self.commits(errand.stream(key, "main")) for e in c.events]


def pause(_attempt: int) -> None:
    """Nothing to wait for."""

"""`leftfold run`: engines, deployment, real data, and a table that proves it."""

import time
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from chalicelib.bank.account.domain import account
from chalicelib.domain import DOMAIN
from tools.archiving import NOBODY_WRITES, archive
from tools.bank.import_file import Selection, import_file
from tools.bank.warm_up import limit_runners, readers_of, wake, wake_functions
from tools.bootstrap import ROOT
from tools.cloud import Cloud
from tools.collector import collecting
from tools.console import console, errors
from tools.deploy import Deployed, deploy
from tools.deployment_services import reach
from tools.engines import Engine, EngineError, MiniStack, OpenSearch, Progress
from tools.last_deployment import STACK, STAGE, Current, forget, remember
from tools.package import package
from tools.signing_in import OPERATOR, token_of
from tools.stages import APP, stage
from tools.stages import running as python

BANK_FILE = ROOT / "examples" / "bank-transactions.csv.gz"
CURRENCY = "CZK"
# Accounts of the whole file that get statements.
WHOLE_STATEMENTS = 100
# MiniStack keeps what it is given to send.
SENDER = "bank@leftfold.example"


@dataclass(frozen=True)
class Local:
    """A deployment on this machine and the engines under it."""

    deployed: Deployed
    cloud: Cloud
    engines: tuple[Engine, ...]

    @property
    def functions_of(self) -> int | None:
        """The process under which the engine of the functions runs."""
        return self.engines[-1].process


@dataclass(frozen=True)
class Work:
    """The first *accounts* of a file, or all, with *statements* for the first of them.

    What is closed is archived, and all is compared once more, if it *archives*.
    """

    accounts: int | None
    statements: int
    archives: bool = False


@contextmanager
def local(
    report: Progress,
    port: int | None = None,
    search_port: int | None = None,
    stack: str = STACK,
    otlp: str = "",
    readers: Collection[str] | None = None,
) -> Iterator[Local]:
    """Starts the engines and deploys; stops all of it at the end.

    Without ports it takes free ones. Its functions send spans to the collector at *otlp*, if any.
    Of the views and policies, those called *readers* are woken, or all. Raises EngineError,
    PackagingError and DeployError.
    """
    with ExitStack() as started:
        search = OpenSearch(search_port, progress=report)
        services = MiniStack(port, opensearch=search.endpoint, progress=report)
        # Before the long work: nobody waits a minute to be told of a port.
        search.check_port()
        services.check_port()
        started.callback(search.stop)
        started.callback(services.stop)
        # OpenSearch takes longest, so all else is done meanwhile.
        with ThreadPoolExecutor(1) as threads:
            searching = threads.submit(search.start)
            services.start()
            made = package(STAGE, report)
            searching.result()
        cloud = Cloud(services.url, mail_from=SENDER)
        cloud.client("ses").verify_email_identity(EmailAddress=SENDER)
        name = stack.removeprefix(f"{APP}-")
        deployed = deploy(made, replace(stage(STAGE), name=name, otlp_endpoint=otlp), cloud, report)
        limit_runners(deployed, cloud)
        wake(deployed, cloud, report, readers)
        yield Local(deployed, cloud, (search, services))


def run(
    file: Path, work: Work, port: int, search_port: int, *, once: bool, traces: bool = False
) -> bool:
    """Starts, imports, compares and serves; True if balances and totals are the bank's.

    Spans are collected and shown if *traces* are asked for.

    Raises what `local` and `import_file` raise, and EngineError if an engine dies.
    """
    began = time.monotonic()
    with ExitStack() as started:
        with errors.status("starting") as status:
            collector = started.enter_context(collecting()) if traces else ""
            # The others are woken once the table is shown, which needs none of them.
            first = readers_of(account.category)
            running = started.enter_context(
                local(status.update, port, search_port, otlp=collector, readers=first)
            )
        current = Current(STACK, running.deployed.url, running.cloud.endpoint_url)
        remember(current)
        started.callback(forget)
        console.print(
            f"started in {time.monotonic() - began:.1f} s on {python()}: {running.deployed.url}"
        )
        agree = import_file(
            running.deployed.url,
            file,
            Selection(CURRENCY, work.accounts, work.statements),
            fresh=True,
            then=partial(archive_closed, current) if work.archives else None,
        )
        with errors.status("waking the other functions") as status:
            others = [name for name in (*DOMAIN.views, *DOMAIN.policies) if name not in first]
            wake_functions(running.deployed, running.cloud, status.update, others)
        console.print(f"all is done after {time.monotonic() - began:.1f} s")
        if not once:
            # Not wrapped, because a wrapped command cannot be pasted.
            console.print(
                invitation(running.deployed.url, token_of(current), token_of(current, OPERATOR)),
                soft_wrap=True,
                markup=False,
            )
            if collector:
                console.print(f"Traces, newest first: curl {collector}\n", soft_wrap=True)
            serve(running)
    return agree


def archive_closed(current: Current) -> bool:
    """Archives every closed statement and the log, as `leftfold archive --idle` does."""
    console.print("archiving what is closed:")
    return archive(reach(current), datetime.now(UTC), NOBODY_WRITES)


def serve(running: Local) -> None:
    """Waits for Ctrl-C. Raises EngineError if an engine ends before."""
    try:
        while True:
            for engine in running.engines:
                if not engine.is_running():
                    log = engine.log.relative_to(ROOT)
                    raise EngineError(
                        f"{engine.name}: has ended; the end of {log} says why; start again"
                    )
            time.sleep(0.5)
    except KeyboardInterrupt:
        errors.print("stopping")


def invitation(url: str, token: str, operator: str) -> str:
    """Commands to paste, in this order."""
    signed = f"-H 'Authorization: Bearer {token}'"
    amount = '{"amount": "100.00", "currency": "CZK"}'
    opening = (
        '{"owner": "Me", "kind": "current", "currency": "CZK", "accountId": "mine",'
        f' "creditLimit": {amount}}}'
    )
    order = (
        '{"transferId": "first", "source": "mine", "target": "nobody",'
        f' "amount": {amount}, "valueDate": "2026-01-01"}}'
    )
    return f"""
Leftfold serves at {url} until Ctrl-C.

The console: {url}/console#token={operator}

Try, in another terminal (the token is good for an hour; ./leftfold token prints another):

curl {signed} '{url}/accounts?sort=-balance&limit=3'

curl {signed} '{url}/bookings?q=pension&limit=3'

curl {signed} -H 'Content-Type: application/json' -d '{opening}' '{url}/accounts'

curl {signed} -H 'Content-Type: application/json' -d '{order}' '{url}/transfers'

curl {signed} '{url}/transfers/first?minVersion=1'
"""

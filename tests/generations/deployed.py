"""Two generations on one stage, with the functions, settings and roles that are deployed; on moto.

Each function has a process of its own, and wakes run in place. Each call is noted under its function,
so that it can be held against the function's role.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from random import randbytes
from typing import Any

import boto3

from chalicelib.functions import handler
from chalicelib.leftfold.generations.control import Control, DynamoControl, created
from chalicelib.leftfold.generations.operating import Operator, changed
from chalicelib.leftfold.kernel import Domain
from chalicelib.leftfold.kernel.uuid7 import uuid7
from chalicelib.leftfold.policies.outside import MemoryOutside
from chalicelib.leftfold.store.events import DynamoEvents
from chalicelib.leftfold.wiring import process
from chalicelib.leftfold.wiring.process import made_of
from chalicelib.leftfold.wiring.services import Services
from chalicelib.leftfold.wiring.settings import FUNCTIONS_OF_TRUTH, Settings
from tests.clock import Clock
from tests.contracts import moto
from tests.functions.test_grants import Call, calls_of
from tests.http.findable import FindableRows
from tests.http.gateway import Answer, Gateway
from tests.issuer import ISSUER, SETTINGS, token
from tests.tools.test_stages import FACTS
from tools.applications import register
from tools.deploy import read
from tools.provisioned import literal
from tools.resources import TEMPLATE, TRUTH_TEMPLATE
from tools.resources.files import permissions, variables
from tools.resources.functions import Function
from tools.tables import create_tables

BLUE = FACTS["Application"]
GREEN = f"{BLUE}--green"
HOME = f"{FACTS['Region']}:{FACTS['Account']}"


def bucket(stack: str) -> str:
    """The archive's bucket of a truth."""
    return f"{stack}-archive-{FACTS['Account']}-{FACTS['Region']}"


def facts_of(stack: str) -> dict[str, str]:
    """What the stack of an application is told."""
    named = {"Application": stack, "Truth": stack, "ArchiveBucket": bucket(stack)}
    follows = {"Earlier": BLUE, "EarlierArchive": bucket(BLUE)} if stack == GREEN else {}
    return {**FACTS, **named, **follows}


def is_granted(call: Call, function: Function, stack: str) -> bool:
    """Whether the role of a function of an application allows a call."""
    from tests.functions.test_grants import is_granted as is_among

    granted = {
        (action, resource)
        for statement in literal(permissions(function)["Statement"], facts_of(stack))
        for action in statement["Action"]
        for resource in statement["Resource"]
    }
    return is_among(call, granted)


class Passing:
    """Lambda's context: twenty seconds pass between two looks at the time that is left."""

    def __init__(self) -> None:
        self._left = 900_000

    def get_remaining_time_in_millis(self) -> int:
        self._left -= 20_000
        return self._left


class Waking:
    """A waker whose wakes run at once. *named* gives a function's full name."""

    def __init__(self, site: "Deployed", named: Any) -> None:
        self._site = site
        self._named = named

    def wake(self, function: str, wanted: Mapping[str, int] = {}) -> None:
        self._site.woken(self._named(function), dict(wanted))


class Deployed:
    """A stage with the generation *blue*, and with *green* once `create` was called. *logs* are the
    numbers of their logs.
    """

    def __init__(self, domain: Domain, logs: tuple[int, int] = (1, 1)) -> None:
        self._logs = dict(zip((BLUE, GREEN), map(str, logs), strict=True))
        self.calls: defaultdict[tuple[str, str], set[Call]] = defaultdict(set)
        self.domain = domain
        self.clock = Clock()
        self._runs = ("", "")
        self._processes: dict[tuple[str, str], Services] = {}
        boto3.setup_default_session(region_name=FACTS["Region"])
        assert boto3.DEFAULT_SESSION is not None
        boto3.DEFAULT_SESSION.events.register("provide-client-params", self._note)
        kms = moto.client("kms")
        key = kms.create_key()["KeyMetadata"]["KeyId"]
        kms.create_alias(AliasName=f"alias/{BLUE}-personal-data", TargetKeyId=key)
        moto.client("ses").verify_email_identity(EmailAddress=FACTS["MailFrom"])
        self._make(BLUE)

    def _make(self, stack: str) -> None:
        """What the stacks of a truth and of its application have."""
        create_tables(moto.client("dynamodb"), stack)
        where = {"LocationConstraint": FACTS["Region"]}
        moto.client("s3").create_bucket(Bucket=bucket(stack), CreateBucketConfiguration=where)
        moto.client("kinesis").create_stream(StreamName=f"{stack}-bus", ShardCount=1)
        with self.running(stack, "deploy") as services:
            register(services.applications, stack, {})

    @property
    def control(self) -> DynamoControl:
        return DynamoControl(moto.client("dynamodb"), f"{BLUE}-control")

    def create(self) -> None:
        """`leftfold generation create green --transform`, as far as it concerns functions."""
        old = self.control.read()
        changed(self.control, old, created(old or Control(BLUE), GREEN))
        self._make(GREEN)

    @property
    def operator(self) -> Operator:
        """What `leftfold generation` has on a person's machine."""
        with self.running(GREEN, "operator") as services:
            return services.generations.operator

    @contextmanager
    def running(self, stack: str, function: str) -> Iterator[Services]:
        """The services of a function's process."""
        key, before, runs = (stack, function), process._services, self._runs
        if key not in self._processes:
            self._processes[key] = self._made(stack, function)
        self._runs = key
        try:
            yield process.use(self._processes[key])
        finally:
            process._services, self._runs = before, runs

    def _made(self, stack: str, function: str) -> Services:
        facts = {**facts_of(stack), "Logs": self._logs[stack], "EarlierLogs": self._logs[BLUE]}
        process._domain = self.domain
        if function in FUNCTIONS_OF_TRUTH:
            relay = read(TRUTH_TEMPLATE)["Resources"]["Relay"]["Properties"]
            environment = literal(relay["Environment"]["Variables"], facts)
        else:
            environment = variables(read(TEMPLATE), facts) | SETTINGS
        services: Any = made_of(Settings(environment))
        services.clock = self.clock
        services.new_id = lambda: uuid7(self.clock.milliseconds, randbytes(10))
        services.pause = services.rest = lambda _: None
        # moto is not safe among threads.
        services.side_by_side = lambda act, items: [act(item) for item in items]
        named = services.settings.function
        if services.settings.is_truth:
            named = services.function_of
        else:
            search = {
                n: FindableRows(v) for n, v in self.domain.views.items() if v.store == "search"
            }
            documents = services.rows
            services.rows = lambda view: search.get(view) or documents(view)
            services.search_rows = search.__getitem__
            services.signing_keys = ISSUER.published
        services.waker, services.stage_waker = Waking(self, named), Waking(self, str)
        services.outside = MemoryOutside()
        made: Services = services
        return made

    def _note(self, params: Mapping[str, Any], model: Any, **_: Any) -> None:
        if self._runs[1]:
            service = model.service_model.service_name
            self.calls[self._runs].update(calls_of(service, model.name, params))

    def woken(self, full_name: str, wanted: dict[str, int]) -> None:
        """An asynchronous invocation, which runs before the caller goes on."""
        self.calls[self._runs].add(
            ("lambda:InvokeFunction", f"arn:aws:lambda:{HOME}:function:{full_name}")
        )
        stack = GREEN if full_name.startswith(f"{GREEN}-") else BLUE
        self.run(stack, full_name.removeprefix(f"{stack}-"), {"Records": [], "wanted": wanted})

    def run(self, stack: str, function: str, event: Any) -> None:
        """An invocation of a function."""
        with self.running(stack, function):
            handler(function)(event, Passing())

    def post(
        self, stack: str, path: str, body: Any, key: str | None = None, tenant: str = "main"
    ) -> Answer:
        """A command of a tenant to the API of a generation."""
        headers = {} if key is None else {"idempotency_key": key}
        with self.running(stack, "api_handler"):
            return Gateway(token=token(tenant)).post(path, body, **headers)

    def log(self, stack: str) -> None:
        """Brings all commits of a truth into its log."""
        keys, _ = self.events(stack).scan(0, 1, None, 1_000_000)
        self.woken(f"{stack}-relay", dict(sorted(keys)))

    def events(self, stack: str) -> DynamoEvents:
        """The events table of a truth."""
        return DynamoEvents(moto.client("dynamodb"), f"{stack}-events")

    def stream(self, stack: str, aggregate_id: str) -> Sequence[Any]:
        """All commits of a stream in a truth."""
        return self.events(stack).range(aggregate_id, 1, 10**6)

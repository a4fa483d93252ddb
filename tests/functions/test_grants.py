"""What each function calls on AWS, against what its role lets it call: no more and no less.

Every function that an event starts does all its kinds of work on moto, and each of its calls is
noted. OpenSearch is in memory here, behind its client; IAM knows a request to it by method and path.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

import boto3
import pytest

from chalicelib.bank.account.domain import CloseStatement, Open, account
from chalicelib.bank.transfer.domain import Order, RequestTransfer, transfer
from chalicelib.domain import DOMAIN
from chalicelib.functions import handler
from chalicelib.leftfold.access.callers import HOUSE, SCOPES, granted
from chalicelib.leftfold.projection.freshness import Freshness
from chalicelib.leftfold.wiring import process
from chalicelib.leftfold.wiring.process import made_of
from chalicelib.leftfold.wiring.services import Services
from chalicelib.leftfold.wiring.settings import FUNCTIONS_OF_TRUTH, Settings
from tests.clock import Clock
from tests.contracts import moto
from tests.functions.indexes import Indexes
from tests.functions.test_functions import SCHEDULED, Context, bus_event, grown, stream_event
from tests.http.gateway import Gateway
from tests.http.test_tenants import ASKED, WRITTEN
from tests.issuer import FOR_EVER, ISSUER
from tests.teller import Teller, credit
from tests.tools.test_stages import FACTS, MADE
from tools.applications import register
from tools.deploy import read
from tools.provisioned import literal
from tools.resources import TEMPLATE, TRUTH_TEMPLATE
from tools.resources.files import permissions, variables
from tools.resources.truth import FUNCTIONS
from tools.tables import create_tables

pytestmark = pytest.mark.slow

STACK = FACTS["Application"]
HOME = f"{FACTS['Region']}:{FACTS['Account']}"
BEGUN = datetime(2026, 1, 1, tzinfo=UTC)
KEY = FACTS["PersonalDataKey"].rpartition(":")[2]
ORDER = Order("c", "b", 700, "CZK", "2026-01-31", "rent", "ada@example.com")

# An action and the ARN of what it is done to.
Call = tuple[str, str]
# The parts of a transaction by the action that each of them needs.
PARTS = {
    "Put": "PutItem",
    "Update": "UpdateItem",
    "Delete": "DeleteItem",
    "ConditionCheck": "ConditionCheckItem",
}


def calls_of(service: str, operation: str, params: Mapping[str, Any]) -> Iterator[Call]:
    """What IAM is asked for a request."""
    match service, operation:
        case "dynamodb", _:
            for action, name in table_calls_of(operation, params):
                yield f"dynamodb:{action}", table(name)
        case "s3", _:
            yield f"s3:{operation}", f"arn:aws:s3:::{params['Bucket']}/{params['Key']}"
        case "kinesis", _:
            yield f"kinesis:{operation}", f"arn:aws:kinesis:{HOME}:stream/{params['StreamName']}"
        case "lambda", "Invoke":
            name = params["FunctionName"]
            yield "lambda:InvokeFunction", f"arn:aws:lambda:{HOME}:function:{name}"
        case "kms", _:
            # A key is called by its alias, and granted by its ARN.
            assert params["KeyId"] == f"alias/{STACK}-personal-data"
            yield f"kms:{operation}", FACTS["PersonalDataKey"]
        case "events", _:
            (bus,) = {one.get("EventBusName") for one in params.get("Entries", ())} or {
                params["Name"]
            }
            yield f"events:{operation}", f"arn:aws:events:{HOME}:event-bus/{bus}"
        case "cloudwatch", _:
            # CloudWatch tells of alarms whoever may ask for all.
            yield f"cloudwatch:{operation}", f"arn:aws:cloudwatch:{HOME}:alarm:*"
        case "ses", _:
            yield f"ses:{operation}", f"arn:aws:ses:{HOME}:identity/{params['Source']}"


def table_calls_of(operation: str, params: Mapping[str, Any]) -> Iterator[Call]:
    """The actions of a request to DynamoDB, each with the name of its table."""
    match operation:
        case "TransactWriteItems":
            for item in params["TransactItems"]:
                ((part, asked),) = item.items()
                yield PARTS[part], asked["TableName"]
        case "BatchGetItem" | "BatchWriteItem":
            for name in params["RequestItems"]:
                yield operation, name
        case _:
            yield operation, params["TableName"]


def table(name: str) -> str:
    return f"arn:aws:dynamodb:{HOME}:table/{name}"


@cache
def grants(function: str) -> frozenset[Call]:
    """What the role of a function allows."""
    statements = [
        *(s for made in MADE if made.name == function for s in permissions(made)["Statement"]),
        *(s for made in FUNCTIONS if made.name == function for s in made.statements),
    ]
    return frozenset(
        (action, resource)
        for statement in literal(statements, FACTS)
        for action in statement["Action"]
        for resource in statement["Resource"]
    )


def is_granted(call: Call, granted: Collection[Call]) -> bool:
    return any(call[0] == action and fnmatchcase(call[1], on) for action, on in granted)


class Account:
    """A deployment on moto, in which each function has a process of its own."""

    def __init__(self) -> None:
        self.calls: defaultdict[str, set[Call]] = defaultdict(set)
        self.clock = Clock(BEGUN)
        searched = {f"{STACK}-{v.stored_name}": v for v in DOMAIN.views.values()}
        self.indexes = Indexes(searched, self._note_request)
        self._runs = ""
        self._waited = 0.0
        self._processes: dict[str, Services] = {}
        boto3.setup_default_session(region_name=FACTS["Region"])
        assert boto3.DEFAULT_SESSION is not None
        boto3.DEFAULT_SESSION.events.register("provide-client-params", self._note)
        create_tables(moto.client("dynamodb"), STACK)
        where = {"LocationConstraint": FACTS["Region"]}
        bucket = FACTS["ArchiveBucket"]
        moto.client("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration=where)
        moto.client("kinesis").create_stream(StreamName=f"{STACK}-bus", ShardCount=1)
        kms = moto.client("kms")
        key = kms.create_key()["KeyMetadata"]["KeyId"]
        kms.create_alias(AliasName=f"alias/{STACK}-personal-data", TargetKeyId=key)
        moto.client("events").create_event_bus(Name=f"{STACK}-announcements")
        moto.client("ses").verify_email_identity(EmailAddress=FACTS["MailFrom"])
        with self.running("deploy") as services:
            register(services.applications, STACK, {})

    def _note(self, params: Mapping[str, Any], model: Any, **_: Any) -> None:
        if not self._runs:
            return
        service = model.service_model.service_name
        self.calls[self._runs].update(calls_of(service, model.name, params))

    def _note_request(self, method: str, path: str) -> None:
        """A request to OpenSearch: IAM is asked for the method, on the path."""
        action = f"es:ESHttp{method.capitalize()}"
        self.calls[self._runs].add((action, f"{FACTS['SearchArn']}{path}"))

    def _wait(self, seconds: float) -> None:
        self._waited += seconds

    @contextmanager
    def running(self, function: str) -> Iterator[Services]:
        """The services of a function's process."""
        if function not in self._processes:
            self._processes[function] = self._made(function)
        self._runs = function
        try:
            yield process.use(self._processes[function])
        finally:
            self._runs = ""

    def _made(self, function: str) -> Services:
        services = made_of(Settings(environment(function)))
        services.__dict__["clock"] = self.clock
        services.__dict__["pause"] = lambda _attempt: None
        services.__dict__["signing_keys"] = ISSUER.published
        services.__dict__["freshness"] = Freshness(
            services.log,
            services.checkpoints,
            services.parking,
            services.waker,
            lambda: self._waited,
            self._wait,
            lambda: 0.0,
        )
        return services

    def run(self, function: str, event: Any) -> None:
        """An invocation of a function, in a process that has done nothing yet: one that goes on with what
        it remembers calls less.
        """
        self._processes.pop(function, None)
        with self.running(function):
            handler(function)(event, Context())

    def published(self) -> list[bytes]:
        """Everything on the bus."""
        kinesis = moto.client("kinesis")
        name = f"{STACK}-bus"
        (shard,) = kinesis.describe_stream(StreamName=name)["StreamDescription"]["Shards"]
        iterator = kinesis.get_shard_iterator(
            StreamName=name, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        return [record["Data"] for record in kinesis.get_records(ShardIterator=iterator)["Records"]]


def environment(function: str) -> dict[str, str]:
    """The variables of a function's environment."""
    if function in FUNCTIONS_OF_TRUTH:
        made: dict[str, str] = literal(
            read(TRUTH_TEMPLATE)["Resources"]["Relay"]["Properties"]["Environment"]["Variables"],
            FACTS,
        )
        return made
    # Spans go elsewhere, and need no permission. Nobody reads the signatures of requests to OpenSearch.
    told = variables(read(TEMPLATE), {**FACTS, "SearchScheme": "http"})
    return {name: value for name, value in told.items() if "OTLP" not in name}


@pytest.fixture(scope="module")
def whole() -> Iterator[Account]:
    """A deployment in which every function has done all its kinds of work."""
    before = process._services
    session = boto3.DEFAULT_SESSION
    with moto.in_process():
        yield worked()
    process._services, boto3.DEFAULT_SESSION = before, session


# What each view that a query can wait for is asked, by the stream that it waits for.
WAITED_FOR = {
    "account-a": (
        *("/accounts/a?", "/accounts?account=a&", "/bookings?account=a&"),
        *("/accounts/a/statements?", "/accounts/a/statements/1?", "/totals?account=a&"),
    ),
    "transfer-a": ("/transfers/a?", "/transfers/a/trace?"),
    "ledger-a": (
        *("/ledgers/a?", "/ledgers/a/trial-balance?asOf=2025-12-31&"),
        f"{ASKED['show_account_sheet']}&",
        f"{ASKED['list_entries']}&",
    ),
}
# It opens personal data.
HISTORY = "/accounts/b/events"
OF_THE_HOUSE = ("/readers", "/upkeep", "/blocks/0", "/health/dependencies")


def ask_everything(made: Account) -> None:
    """Every route, by an operator of the house: at the API's function and, those that wait, at that of
    the feed. The newest versions are waited for before they are logged, and before views have them.
    """
    claims = {
        "iss": FACTS["TokenIssuer"],
        "client_id": FACTS["TokenAudience"],
        "sub": "ada",
        "tenant": "main",
        "scope": " ".join(map(granted, SCOPES)),
        "exp": FOR_EVER,
    }
    gateway = Gateway(ISSUER.sign(claims))
    house = Gateway(ISSUER.sign({**claims, "scope": f"{claims['scope']} {HOUSE}"}))
    with made.running("api_handler") as services:
        for path, body in WRITTEN.values():
            gateway.post(path, body, idempotency_key=f"k-{path}")
        newest = {
            stream: services.events.newest(f"main/{stream}", limit=1)[0][0] for stream in WAITED_FOR
        }
    waited = [
        f"{path}minVersion={newest[stream].version}"
        for stream, paths in WAITED_FOR.items()
        for path in paths
    ]
    asked = [path for path in ASKED.values() if path != ASKED["follow_log"]]
    with made.running("api_handler"):
        failed = [path for path in OF_THE_HOUSE if house.get(path).status >= 500]
    with made.running("feed"):
        failed += [path for path in ("/live/readers", "/log") if house.get(path).status >= 500]
    # A list waits for the relay; a document is folded ahead of its view.
    for paths in ([*waited[:2], *asked, HISTORY], waited):
        with made.running("api_handler"):
            failed += [path for path in paths if gateway.get(path).status == 500]
        with made.running("feed"):
            failed += [path for path in paths if gateway.get(f"/live{path}").status == 500]
        made.run("relay", stream_event(*newest.values()))
    assert failed == []


def worked() -> Account:
    """A deployment in which people write, and then every function finds its work."""
    made = Account()
    with made.indexes.asked():
        work(made)
    return made


def work(made: Account) -> None:
    """Lets people write, then lets every function find its work."""
    with made.running("api_handler") as services:
        teller = Teller(services.events, clock=made.clock, vault=services.vault)
        teller.do(Open("Ada", "CZK", "current", 0, "ada@example.com"), "a")
        teller.do(Open("Bo", "CZK", "current"), "b")
        teller.do(Open("Cy", "CZK", "current"), "c")
        for key in "aaac":
            teller.do(credit(1000), key)
        teller.do(RequestTransfer(ORDER, "2026-01-01T00:10:00.000Z"), "t", aggregate=transfer)
    fill_all(made)
    keep_up(made)
    with made.running("api_handler") as services:
        teller = Teller(services.events, clock=made.clock, vault=services.vault)
        for day in ("2026-01-31", "2026-02-28"):
            made.clock.forward(days=30)
            teller.do(CloseStatement(day), "a")
    keep_up(made)
    ask_everything(made)
    keep_up(made)
    forget_both(made)
    made.clock.forward(days=90)
    for function in ("archive", "deadlines", "purge"):
        made.run(function, SCHEDULED)


def forget_both(made: Account) -> None:
    """Forgets a holder whose rows the API folds again, and one with whom the API got no further."""
    with made.running("api_handler") as services:
        erasures = [services.eraser.begin(f"main/account:{key}", "ann", "case 1") for key in "bc"]
        services.eraser.run(erasures[0])
    made.run("forget", SCHEDULED)
    made.clock.forward(hours=1)
    with made.running("api_handler") as services:
        assert services.eraser.run(erasures[0])
    made.run("forget", SCHEDULED)
    assert list(services.data_keys.unfinished()) == []


def fill_all(made: Account) -> None:
    """Logs what there is, and fills one view of each kind of it, as the state machine does."""
    streams = (account.stream("a", "main"), transfer.stream("t", "main"))
    with made.running("api_handler") as services:
        newest = [services.events.newest(stream, limit=1)[0][0] for stream in streams]
    made.run("relay", stream_event(*newest))
    for view in FILLED:
        asked = {"view": view, "workers": 1, "units": 0, "worker": 0}
        for step in ("plan", "work", "finish"):
            made.run("fill", {**asked, "step": step})


def keep_up(made: Account) -> None:
    """Relay, sweeper and every reader, often enough for a transfer."""
    for _ in range(2):
        with made.running("api_handler") as services:
            streams = [account.stream(key, "main") for key in "abc"] + [
                transfer.stream("t", "main")
            ]
            newest = [services.events.newest(stream, limit=1)[0][0] for stream in streams]
        made.run("relay", stream_event(*newest))
        made.run("sweeper", SCHEDULED)
        made.run("log_grew", grown(("account", "transfer")))
        for name, view in DOMAIN.views.items():
            if view.fed == "bus":
                made.run(name, bus_event(*made.published()))
            made.run(name, {"Records": []})
        for name in DOMAIN.policies:
            made.run(name, {"Records": []})


OF_APPLICATION = ("deadlines", "forget", "fill", "purge")
SERVING = ("api_handler", "feed")
EVENT_FUNCTIONS = [*DOMAIN.views, *DOMAIN.policies, *OF_APPLICATION, *FUNCTIONS_OF_TRUTH]


@pytest.mark.parametrize("function", [*SERVING, *EVENT_FUNCTIONS])
def test_a_function_calls_nothing_that_its_role_does_not_grant(
    whole: Account, function: str
) -> None:
    granted = grants(function)
    assert [call for call in sorted(whole.calls[function]) if not is_granted(call, granted)] == []


# Lambda itself makes these calls for the function.
NOT_THE_CODES = (
    *("logs:", "kinesis:", "s3:ListBucket"),
    *(f"dynamodb:{call}" for call in ("GetRecords", "GetShardIterator", "DescribeStream")),
    "dynamodb:ListStreams",
)
SEARCHED = [name for name, view in DOMAIN.views.items() if view.store == "search"]
FED = [name for name, view in DOMAIN.views.items() if view.fed == "bus"]
LOADS = "dynamodb:BatchGetItem"
# A personal view, one that follows the log, an ordered one.
FILLED = ("bookings", "traces", "totals")
# What is called in situations that do not come up here, and who tries them.
SELDOM = {
    # A stream that another generation has: tests/generations/test_deployed.py.
    "dynamodb:GetItem control",
    f"lambda:InvokeFunction {STACK}--*-taker",
    # A view or a policy fails on an event: tests/projection, tests/contracts/test_checkpoints.py.
    *(
        f"dynamodb:{call}Item {kind}-parked"
        for call in ("Put", "Update", "Delete")
        for kind in ("view", "policy")
    ),
    "dynamodb:BatchGetItem view-parked",
    "dynamodb:BatchGetItem policy-parked",
    # A reader, or a load, that reaches what is archived: tests/archive.
    "s3:GetObject archive",
    # The first of a stage that makes a cursor makes the key of its seal: tests/contracts.
    "dynamodb:PutItem secrets of feed",
    # A step that sent an e-mail: tests/http/test_consequences.py.
    "dynamodb:GetItem effects of feed",
    # It is waited for like the other views; and documents alone are asked of two, which wait only for
    # a view that is far behind: tests/projection/test_ahead.py.
    *(
        f"lambda:InvokeFunction {STACK}-{view} of {name}"
        for view in ("postings", "ledgers", "transfers")
        for name in ("api_handler", "feed")
    ),
    # What a policy or a view has parked is redriven over HTTP: tests/http/test_operating.py.
    *(f"lambda:InvokeFunction {STACK}-{name} of api_handler" for name in DOMAIN.policies),
    # The sweeper finds a commit that the relay was never told of, as the relay does.
    "dynamodb:Query events of sweeper",
    "dynamodb:PutItem bodies of sweeper",
    "dynamodb:PutItem log of sweeper",
    "dynamodb:UpdateItem streams of sweeper",
    "dynamodb:UpdateItem policy-checkpoints of sweeper",
    # A later application, of which there is none here: tests/functions/test_truth.py.
    "dynamodb:BatchGetItem later view-checkpoints",
    "dynamodb:Query later view-parked",
    # A view meets a commit that cannot be read, and looks for its repair: tests/repair.
    *(f"dynamodb:Query events of {view}" for view in DOMAIN.views),
    "dynamodb:Query events of fill",
    # A policy's command writes of a subject whose key is not in memory, or has none yet; and it is
    # the first of its stage that has personal data: tests/subjects.
    *(f"dynamodb:PutItem subjects of {name}" for name in DOMAIN.policies),
    *(f"kms:GenerateDataKey {KEY} of {name}" for name in DOMAIN.policies),
    # A stream has data of another subject, too: tests/subjects.
    f"kms:Decrypt {KEY} of forget",
    # The bus has brought everything.
    *(f"{call} of {view}" for view in FED for call in ("dynamodb:Query log", f"{LOADS} bodies")),
    # A fill has made the index. Or another process has just done so, or its alias is gone:
    # tests/projection/test_search_requests.py.
    *(f"es:ESHttpPut {name}-rows of {name}" for name in FILLED),
    *(f"es:ESHttpPut {name}-rows/_alias/{name}" for name in SEARCHED),
    # A route of a domain may load any row by its key, and the bank's find those of these views.
    *(
        f"es:ESHttpPost {name}/_mget of {function}"
        for name in ("bookings", "postings", "ranking", "traces")
        for function in SERVING
    ),
    # Each of its events makes a row of its own.
    "dynamodb:BatchGetItem statements of statements",
    # The relay publishes blocks of another run, whose bodies it does not know.
    "dynamodb:BatchGetItem bodies of relay",
}
# A range takes the commits of parked streams, too: only a part by lanes looks for them.
SELDOM.add("dynamodb:Query view-parked of fill")
SELDOM |= {
    f"{action} {called} of fill"
    for name in DOMAIN.views.keys() - {*FILLED}
    for action, called in (
        (LOADS, name.replace("_", "-")),
        ("dynamodb:PutItem", name.replace("_", "-")),
        ("lambda:InvokeFunction", f"{STACK}-{name}"),
        ("es:ESHttpPut", f"{name}-rows"),
        *(("es:ESHttpPost", f"{name}/{call}") for call in ("_mget", "_bulk", "_refresh")),
    )
}
# Readers of which no event happens here: they do the same with other events.
IDLE = {"ledgers", "trial_balance", "postings", "close_journals", "gather_year", "refund_source"}
IDLE |= {"deadlines"}


@pytest.mark.parametrize(
    "function", [*SERVING, *(name for name in EVENT_FUNCTIONS if name not in IDLE)]
)
def test_a_role_grants_nothing_that_its_function_does_not_call(
    whole: Account, function: str
) -> None:
    granted = [grant for grant in grants(function) if not grant[0].startswith(NOT_THE_CODES)]
    assert unused(whole, function, granted) == []


@pytest.mark.parametrize("function", sorted(IDLE))
def test_an_idle_reader_asks_of_opensearch_all_that_its_role_grants(
    whole: Account, function: str
) -> None:
    granted = [grant for grant in grants(function) if grant[0].startswith("es:")]
    assert unused(whole, function, granted) == []


def unused(made: Account, function: str, granted: Collection[Call]) -> list[str]:
    """Those of the grants that a function has not used, and that are no seldom ones."""
    calls = made.calls[function]
    idle = {f"{g[0]} {told(g[1])}" for g in granted if not any(is_granted(c, {g}) for c in calls)}
    return sorted(each for each in idle if not {each, f"{each} of {function}"} & SELDOM)


def es_calls(made: Account, *functions: str) -> set[Call]:
    """What functions have asked of OpenSearch."""
    return {
        call
        for function in functions or made.calls
        for call in made.calls[function]
        if call[0].startswith("es:")
    }


@pytest.mark.parametrize("function", SEARCHED)
def test_a_search_views_function_is_refused_at_the_index_of_every_other_view(
    whole: Account, function: str
) -> None:
    granted = grants(function)
    others = [name for name in SEARCHED if name != function]
    assert not [call for call in es_calls(whole, *others) if is_granted(call, granted)]
    # The API, an erasure and the fill write several indexes: of each, this function writes its own.
    mine = {call for call in es_calls(whole) if is_granted(call, granted)}
    index = rf"{re.escape(FACTS['SearchArn'])}/{STACK}-{function}(/|-rows$|-rows/)"
    assert es_calls(whole, function) <= mine
    assert all(re.match(index, path) for _, path in mine)


@pytest.mark.parametrize(
    ("named", "alike"),
    [
        *((STACK, f"{STACK}{more}") for more in ("2", "-2", "--green", "-rows")),
        *(
            (f"-{name}{end}", f"-{name}{more}{end}")
            for name in SEARCHED
            for more in ("s", "-s")
            for end in ("/", "-rows")
        ),
    ],
)
def test_no_function_reaches_an_index_whose_name_begins_like_its_own(
    whole: Account, named: str, alike: str
) -> None:
    calls = [(action, on.replace(named, alike)) for action, on in es_calls(whole) if named in on]
    assert calls
    for function in [*SERVING, *EVENT_FUNCTIONS]:
        granted = grants(function)
        assert not [call for call in calls if is_granted(call, granted)]


@pytest.mark.parametrize(
    "path",
    [
        "_bulk",
        "_mget",
        "_msearch",
        "_aliases",
        "_reindex",
        "_all/_search",
        "*/_search",
        f"{STACK}-*/_search",
    ],
)
def test_no_function_may_send_a_request_that_names_its_index_in_the_body_or_many_in_the_path(
    path: str,
) -> None:
    asked = [
        (f"es:ESHttp{method}", f"{FACTS['SearchArn']}/{path}")
        for method in ("Delete", "Get", "Head", "Patch", "Post", "Put")
    ]
    for function in [*SERVING, *EVENT_FUNCTIONS]:
        granted = grants(function)
        assert not [call for call in asked if is_granted(call, granted)]


@pytest.mark.parametrize("function", sorted(IDLE - {"deadlines"}))
def test_an_idle_reader_may_do_what_a_busy_one_may(function: str) -> None:
    view = DOMAIN.views.get(function)
    busy = "debit_source"
    if view:
        busy = next(
            name
            for name, other in DOMAIN.views.items()
            if name not in IDLE
            and (other.store, other.order, other.personal)
            == (view.store, view.order, view.personal)
        )
    ours, theirs = (
        {
            (action, told(on).replace(name.replace("_", "-"), "its own"))
            for action, on in grants(name)
        }
        for name in (function, busy)
    )
    kinesis = {grant for grant in ours ^ theirs if grant[0].startswith("kinesis:")}
    assert ours ^ theirs == kinesis


def told(on: str) -> str:
    """A table's name, a path of OpenSearch, or the service, of an ARN."""
    if on.startswith(FACTS["SearchArn"]):
        return on.removeprefix(f"{FACTS['SearchArn']}/").replace(f"{STACK}-", "")
    if ":table/" in on:
        name = on.rpartition(":table/")[2]
        return name.replace(f"{STACK}--*-", "later ").removeprefix(f"{STACK}-")
    return "archive" if on.startswith("arn:aws:s3:") else on.rpartition(":")[2]

"""`leftfold cost`: docs/cost.md, from what a booking takes and from list prices.

What each function takes of DynamoDB and of the bus is in `ISOLATED`, `BUSY`, `PASSING` and `MINUTE`;
`tests/engines/test_whole_cost.py` measures it and compares. The prices are in infra/prices.toml.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chalicelib.domain import DOMAIN
from tools.bootstrap import ROOT
from tools.console import console
from tools.event_model_files import write
from tools.prices import Price, money, prices
from tools.stages import Stage, stages

if TYPE_CHECKING:
    from chalicelib.leftfold.store.readers import Reader

PAGE = Path("docs/cost.md")
# The page without its figures.
TEMPLATE = Path(__file__).with_name("cost_page.txt")

# --- what is measured: tests/engines/test_whole_cost.py


@dataclass(frozen=True)
class Use:
    """What one invocation of a function takes.

    *reads* and *writes* are units of DynamoDB, and *calls* those to it besides *transactions*.
    *records* are payload units of the bus, *wakes* invocations of other functions that it asks for,
    *searches* requests to OpenSearch.
    """

    function: str
    reads: float
    writes: float
    calls: int
    transactions: int = 0
    records: int = 0
    wakes: int = 0
    searches: int = 0


# Commits that a busy relay logs in a block, each of another account.
BLOCK = 50
# One booking that nothing else goes with.
ISOLATED = (
    Use("api", 0.5, 1, 2),
    Use("relay", 0, 7, 1, transactions=1, records=1),
    Use("log_grew", 0, 0, 0, wakes=5),
    Use("balances", 2, 2, 5),
    Use("ranking", 1, 1, 3, searches=2),
    Use("bookings", 1, 1, 3, searches=2),
    Use("statements", 6, 1, 8),
    Use("totals", 7, 2, 10),
    Use("traces", 6, 1, 8, searches=2),
    Use("notify", 6, 1, 8),
    Use("announce", 6, 1, 8),
)
# `BLOCK` bookings, on as many accounts, in one block.
BUSY = (
    *(Use("api", 0.5, 1, 2) for _ in range(BLOCK)),
    Use("relay", 0, 112, 2, transactions=1, records=38),
    Use("log_grew", 0, 0, 0, wakes=5),
    Use("balances", 88, 88, 91),
    Use("ranking", 38, 38, 40, searches=2),
    Use("bookings", 38, 38, 40, searches=2),
    Use("statements", 7, 1, 9),
    Use("totals", 8, 2, 11),
    Use("traces", 7, 1, 9, searches=2),
    Use("notify", 7, 1, 9),
    Use("announce", 7, 1, 9),
)
# A follower that is woken for a block of which it hears nothing.
PASSING = Use("deaf", 6, 1, 7)
# The block that it would have to read besides, if it read what it does not hear.
BODY = 1.0
# The sweeper and its measurements, where `BLOCK` accounts have bookings in all lanes that they have.
MINUTE = Use("sweeper", 345.5, 8, 126)
# Bytes that stay: a booking's item; its body alone, beside the link; its share of a body of `BLOCK`.
ITEM, BODY_ALONE, SHARE = 700, 480, 130
# A link without a body (docs/adr/0016).
LINK = 350

# --- what is assumed, because nothing here has run on AWS

# Milliseconds: as tests/models/throughput.py takes them; Kinesis, a wake and a search by analogy.
CALL, TRANSACTION, PUT, WAKE, SEARCH = 6.0, 15.0, 10.0, 15.0, 20.0
# Of the function's own code; and of each commit in a block.
OWN, EACH = 5.0, 0.2
# Bytes that Lambda logs of an invocation; of the function's own line; of a metric.
LOGGED, NOTED, LINE = 300, 100, 250
HOURS, MINUTES = 730, 730 * 60
MILLION = 1_000_000
# A page of a sweep is 1,000 items or 1 MB, of which each run takes at least eight.
SWEPT_PAGES, PAGE_UNITS, PAGE_STREAMS = 8, 128, 1_000
# Blocks and commits of a segment; each is two objects, written and read back.
SEGMENT_BLOCKS, SEGMENT_COMMITS = 500, 10_000

Bill = dict[str, float]


def followers() -> tuple[str, ...]:
    """The readers that a wake starts."""
    everyone: list[Reader] = [*DOMAIN.views.values(), *DOMAIN.policies.values()]
    return tuple(reader.name for reader in everyone if reader.fed == "log")


def before(uses: Sequence[Use], body: float) -> tuple[Use, ...]:
    """The same, if a block wakes all followers, and each reads the *body* of the block."""
    everyone = followers()
    woken = {use.function for use in uses}
    deaf = [
        replace(PASSING, function=name, reads=PASSING.reads + body)
        for name in everyone
        if name not in woken
    ]
    return (
        *(replace(use, wakes=len(everyone) if use.wakes else 0) for use in uses),
        *deaf,
    )


def milliseconds(use: Use, commits: int) -> float:
    """How long an invocation with *commits* is assumed to take: its calls one after the other."""
    return (
        OWN
        + EACH * commits
        + CALL * use.calls
        + TRANSACTION * use.transactions
        + PUT * (use.records > 0)
        + WAKE * use.wakes
        + SEARCH * use.searches
    )


def bill(uses: Sequence[Use], commits: int, stage: Stage, price: Mapping[str, Price]) -> Bill:
    """Dollars for a million commands by part, where *uses* are what *commits* of them take."""
    blocks = MILLION / commits
    of = {name: entry.price for name, entry in price.items()}
    each = [1 if use.function == "api" else commits for use in uses]
    seconds = sum(milliseconds(u, n) for u, n in zip(uses, each, strict=True)) / 1000
    logged = (LOGGED + NOTED) * len(uses) + LINE
    segments = blocks / min(SEGMENT_BLOCKS, SEGMENT_COMMITS / commits)
    return {
        "API Gateway": MILLION * of["api_request"],
        "Lambda, requests": blocks * len(uses) * of["lambda_request"],
        "Lambda, time": blocks
        * seconds
        * (stage.memory / 1024)
        * of[f"lambda_{stage.architecture}"],
        "DynamoDB, writes": blocks * sum(u.writes for u in uses) * of["dynamodb_write"],
        "DynamoDB, reads": blocks * sum(u.reads for u in uses) * of["dynamodb_read"],
        "Kinesis": blocks * sum(u.records for u in uses) * of["kinesis_put"],
        # Each block's link is deleted, its keys are looked for, and its body is deleted if it has one.
        "archive of the log": blocks
        * (of["dynamodb_read"] + of["dynamodb_write"] * (1 if commits == 1 else 8))
        + segments * 2 * (of["s3_put"] + of["s3_get"]),
        "logs": blocks * logged / 1e9 * of["logs"],
    }


def idle(stage: Stage, price: Mapping[str, Price], accounts: int = BLOCK) -> Bill:
    """Dollars for a month in which nobody sends a command, with *accounts* that have been opened."""
    of = {name: entry.price for name, entry in price.items()}
    swept = MINUTE
    if accounts != BLOCK:
        pages = min(SWEPT_PAGES, max(1, accounts // PAGE_STREAMS))
        more = pages * (PAGE_UNITS + PAGE_STREAMS) - (BLOCK + 13)
        swept = replace(MINUTE, reads=MINUTE.reads + more)
    runs = {"sweeper": MINUTES, "deadlines": MINUTES, "forget": MINUTES / 5}
    small = replace(swept, calls=2)
    seconds = sum(
        count * milliseconds(swept if name == "sweeper" else small, 0) / 1000
        for name, count in runs.items()
    )
    keys = 1 + stage.has_own_keys
    return {
        "OpenSearch": stage.search_instances
        * (HOURS * of[stage.search_instance] + stage.search_volume * of["search_volume"]),
        "Kinesis": stage.shards * HOURS * of["kinesis_shard"],
        "alarms": alarm_metrics() * of["alarm"],
        "metrics": metrics_of_a_minute() * of["metric"],
        "DynamoDB, sweeps": MINUTES
        * (swept.reads * of["dynamodb_read"] + swept.writes * of["dynamodb_write"]),
        "Lambda": sum(runs.values()) * of["lambda_request"]
        + seconds * (stage.memory / 1024) * of[f"lambda_{stage.architecture}"],
        "KMS": keys * of["kms_key"],
        "logs": (sum(runs.values()) * LOGGED + MINUTES * LINE * metrics_of_a_minute())
        / 1e9
        * of["logs"],
    }


def metrics_of_a_minute() -> int:
    """Metrics that are written each minute: three for each reader, and those of the schedules."""
    return 3 * (len(DOMAIN.views) + len(DOMAIN.policies)) + 5


def alarm_metrics() -> int:
    """The alarms of a stage; each has one metric."""
    found = 0
    for template in ("truth", "resources"):
        resources: Mapping[str, Any] = json.loads((ROOT / f"infra/{template}.json").read_text())[
            "Resources"
        ]
        found += sum(r.get("Type") == "AWS::CloudWatch::Alarm" for r in resources.values())
    return found


# --- the page


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown, with its columns but the first to the right."""
    lines = [heads, ["---", *["---:"] * (len(heads) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def by_part(bills: Mapping[str, Bill]) -> str:
    """Bills side by side, part by part."""
    parts = list(next(iter(bills.values())))
    rows = [[part, *(money(one[part]) for one in bills.values())] for part in parts]
    total = ["**together**", *(f"**{money(sum(one.values()))}**" for one in bills.values())]
    return table(["part", *bills], [*rows, total])


def by_function() -> str:
    """What each function takes."""
    busy = {use.function: use for use in BUSY}
    rows = [
        [
            use.function,
            f"{use.reads:g}",
            f"{use.writes:g}",
            f"{use.calls + use.transactions:g}",
            *(
                ("0.5", "1", "2")
                if use.function == "api"
                else (
                    f"{busy[use.function].reads / BLOCK:.2f}",
                    f"{busy[use.function].writes / BLOCK:.2f}",
                    f"{(busy[use.function].calls + busy[use.function].transactions) / BLOCK:.2f}",
                )
            ),
        ]
        for use in ISOLATED
    ]
    heads = ["function", "reads", "writes", "calls", "reads, busy", "writes, busy", "calls, busy"]
    return table(heads, rows)


def others(price: Mapping[str, Price], busy: float, isolated: float, month: float) -> str:
    """What other ways cost, as far as their vendors say."""
    of = {name: entry.price for name, entry in price.items()}
    database = least_database(price)
    carried = of["pipe_request"] + of["event"]
    readers = sum(u.function not in ("api", "relay", "log_grew") for u in ISOLATED)
    ours = bill([u for u in ISOLATED if u.function in ("relay", "log_grew")], 1, _prod(), price)
    log = sum(ours.values()) - ours["API Gateway"] - ours["archive of the log"]
    heads = ["what", "a month, idle", "a million commands, isolated", "busy"]
    rows = [
        ["Leftfold, whole, stage `prod`", money(month), money(isolated), money(busy)],
        ["KurrentDB Cloud, the database alone", "not found", "not found", "not found"],
        [
            "Aurora PostgreSQL for Marten, the database alone, 0.5 ACU in each of two zones",
            money(database),
            f"at least {money(MILLION * of['aurora_io'])}, and the ACUs of the load",
            "the same",
        ],
        ["Leftfold's relay, bus and wakes alone", "Kinesis, as above", money(log), ""],
        [
            f"DynamoDB stream → EventBridge Pipes → an EventBridge bus, to {readers} readers",
            money(0),
            money(MILLION * carried),
            f"{money(MILLION * (of['pipe_request'] / BLOCK + of['event']))}",
        ],
    ]
    return table(heads, rows)


def least_database(price: Mapping[str, Price]) -> float:
    """Dollars a month for half a unit of Aurora in each of two zones."""
    return 2 * HOURS * price["aurora_unit"].price / 2


def sources(price: Mapping[str, Price]) -> str:
    """Every price, with its source."""
    rows = [
        [name, f"{entry.price:.10f}".rstrip("0").rstrip("."), entry.unit, entry.vendor, entry.read]
        for name, entry in price.items()
    ]
    lines = [
        ["price", "$", "of one", "vendor's page", "read in"],
        ["---", "---:", "---", "---", "---"],
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in [*lines, *rows])


def _prod() -> Stage:
    return stages()["prod"]


def page() -> str:
    """docs/cost.md."""
    price, prod = prices(), _prod()
    bills = {
        "isolated, before": bill(before(ISOLATED, 0), 1, prod, price),
        "isolated": bill(ISOLATED, 1, prod, price),
        "busy, before": bill(before(BUSY, BODY), BLOCK, prod, price),
        "busy": bill(BUSY, BLOCK, prod, price),
    }
    total = {name: sum(one.values()) for name, one in bills.items()}
    months = {f"`{name}`": idle(stage, price) for name, stage in stages().items()}
    month = sum(months["`prod`"].values())
    large = SWEPT_PAGES * PAGE_STREAMS
    gigabyte = price["dynamodb_storage"].price + price["dynamodb_recovery"].price
    alone = (ITEM + LINK + BODY_ALONE) / 1e9 * MILLION
    shared = (ITEM + SHARE + LINK / BLOCK) / 1e9 * MILLION
    database = least_database(price)
    asked = ("api_request", "lambda_request", "dynamodb_read", "dynamodb_read")
    return TEMPLATE.read_text().format(
        block=BLOCK,
        followers=len(followers()),
        deaf=len(set(followers()) - {use.function for use in ISOLATED}),
        memory=prod.memory,
        architecture=prod.architecture,
        bills=by_part(bills),
        saved=money(total["isolated, before"] - total["isolated"]),
        isolated_before=money(total["isolated, before"]),
        saved_busy=money(total["busy, before"] - total["busy"]),
        busy_before=money(total["busy, before"]),
        query=money(MILLION * sum(price[name].price for name in asked)),
        functions=by_function(),
        months=by_part(months),
        large_accounts=large,
        large=money(idle(prod, price, accounts=large)["DynamoDB, sweeps"]),
        alone=alone,
        shared=shared,
        alone_month=money(alone * gigabyte),
        shared_month=money(shared * gigabyte),
        archived=money(price["s3_storage"].price),
        others=others(price, total["busy"], total["isolated"], month),
        database=money(database),
        even=(database - (month - months["`prod`"]["OpenSearch"])) / total["isolated"],
        call=CALL,
        transaction=TRANSACTION,
        put=PUT,
        wake=WAKE,
        search=SEARCH,
        own=OWN,
        each=EACH,
        logged=LOGGED,
        noted=NOTED,
        line=LINE,
        segment_blocks=SEGMENT_BLOCKS,
        segment_commits=SEGMENT_COMMITS,
        hours=HOURS,
        sources=sources(price),
    )


@click.command("cost")
def cost_command() -> None:
    """Make docs/cost.md: what a command and an idle month cost.

    It is made of the calls and units that tests assert, of the sizes in infra/stages.toml, and of
    the list prices in infra/prices.toml. Run it after a change to any of them.
    """
    for path in write({PAGE: page()}):
        console.print(f"made anew: {path}", soft_wrap=True)

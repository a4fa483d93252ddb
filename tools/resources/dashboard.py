"""The dashboard of an application: how it does, and what it costs, on one page."""

import json
from collections.abc import Iterable, Sequence

from tools.resources.edge import API_STAGE
from tools.resources.permissions import REFERENCES, Json

# CloudWatch's page has 24 columns.
WIDTH, HEIGHT = 8, 6
Metric = Sequence[object]
API, APPLICATION, TRUTH = REFERENCES.function("api"), "${AWS::StackName}", "${Truth}"
GATEWAY = ("ApiName", APPLICATION, "Stage", API_STAGE)
REQUESTS = f"SOURCE '/aws/lambda/{API}' | filter ispresent(code) | stats count() by code"
SLOWEST = (
    f"SOURCE '/aws/lambda/{API}' | filter ispresent(route)"
    " | stats count(), pct(milliseconds, 50), pct(milliseconds, 99) by method, route"
    " | sort by `pct(milliseconds, 99)` desc"
)


def found(where: str, metric: str, statistic: str, period: int = 60) -> Metric:
    """All metrics of that name in a namespace with dimensions, each a line by its own name."""
    expression = (
        f"SEARCH('{{{where}}} MetricName=\"{metric}\" {APPLICATION}', '{statistic}', {period})"
    )
    return [{"expression": expression}]


def of_truth(metric: str) -> Metric:
    """A metric of the truth."""
    return ["Leftfold", metric, "stack", TRUTH]


def of_gateway(metric: str, statistic: str) -> Metric:
    """A metric of the API."""
    return ["AWS/ApiGateway", metric, *GATEWAY, {"stat": statistic}]


def graph(title: str, *metrics: Metric, statistic: str = "Sum") -> Json:
    """A widget with a line for each of *metrics*."""
    return {
        "type": "metric",
        "properties": {
            "title": title,
            "region": "${AWS::Region}",
            "metrics": [list(metric) for metric in metrics],
            "stat": statistic,
            "period": 60,
        },
    }


def logged(title: str, query: str) -> Json:
    """A widget with a table of what the API has logged."""
    shown = {"title": title, "region": "${AWS::Region}", "query": query, "view": "table"}
    return {"type": "log", "properties": shown}


READERS = "Leftfold,stack,view"
WIDGETS = (
    graph("Requests", *(of_gateway(m, "Sum") for m in ("Count", "4XXError", "5XXError"))),
    graph("Milliseconds to an answer", *(of_gateway("Latency", s) for s in ("p50", "p90", "p99"))),
    logged("Refusals and errors by code", REQUESTS),
    graph("Seconds behind, by reader", found(READERS, "OldestWaits", "Maximum")),
    graph("Parked streams, by reader", found(READERS, "StreamsParked", "Maximum")),
    logged("Milliseconds by route", SLOWEST),
    graph("Relay: commits", *map(of_truth, ("CommitsLogged", "SweptCommits", "StreamsBlocked"))),
    graph(
        "Relay: milliseconds behind",
        ["AWS/Lambda", "IteratorAge", "FunctionName", REFERENCES.function("relay")],
        statistic="Maximum",
    ),
    graph("Archived", *map(of_truth, ("CommitsArchived", "BlocksArchived", "StreamsNotArchived"))),
    graph(
        "Cost: write units of tables",
        found("AWS/DynamoDB,TableName", "ConsumedWriteCapacityUnits", "Sum", 300),
    ),
    graph(
        "Cost: read units of tables",
        found("AWS/DynamoDB,TableName", "ConsumedReadCapacityUnits", "Sum", 300),
    ),
    graph(
        "Cost: milliseconds of functions",
        found("AWS/Lambda,FunctionName", "Duration", "Sum", 300),
    ),
)


def placed(widgets: Iterable[Json]) -> list[Json]:
    """The widgets, three in a row."""
    return [
        {
            **widget,
            "x": number % 3 * WIDTH,
            "y": number // 3 * HEIGHT,
            "width": WIDTH,
            "height": HEIGHT,
        }
        for number, widget in enumerate(widgets)
    ]


def dashboard() -> Json:
    """The dashboard, named after its application."""
    body = json.dumps({"widgets": placed(WIDGETS)}, separators=(",", ":"))
    return {
        "Type": "AWS::CloudWatch::Dashboard",
        "Properties": {
            "DashboardName": {"Ref": "AWS::StackName"},
            "DashboardBody": {"Fn::Sub": body},
        },
    }

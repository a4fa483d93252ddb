"""Starts functions once, so that a fault shows now and no request waits for a cold start."""

import json
from collections.abc import Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from chalicelib.domain import DOMAIN
from chalicelib.leftfold.wiring.settings import Settings
from tools.api import Api
from tools.cloud import Cloud, DeployError, explained
from tools.deploy import Deployed
from tools.engines import Progress
from tools.signing_in import of_deployment

# Asks a function to look for work, as the waker does.
NOTHING_NEW = b'{"Records": []}'
# The start of a function is a second of a processor's work. Where all start at once, each takes
# so long that requests are given up and made again, each by one more process.
AT_ONCE = 4
# Queries that wait for a view wake it, and on one machine each invocation beside others is one more
# process, which does what the others do. One is for the bus or the log, and one for those who wait.
RUNNERS = 2


def readers_of(*categories: str) -> list[str]:
    """The views and policies that hear one of the *categories*."""
    readers = [*DOMAIN.views.values(), *DOMAIN.policies.values()]
    return [reader.name for reader in readers if reader.categories & set(categories)]


def wake(
    deployed: Deployed, cloud: Cloud, report: Progress, readers: Collection[str] | None = None
) -> None:
    """Starts the API, the relay, and the views and policies called *readers*, or all.

    Raises DeployError if one of them fails.
    """
    readers = [*DOMAIN.views, *DOMAIN.policies] if readers is None else readers
    auth = of_deployment(deployed, cloud.endpoint_url)
    report("deploy: waking the API")
    with (
        explained(cloud),
        Api(deployed.url, auth=auth) as api,
        ThreadPoolExecutor(AT_ONCE) as threads,
    ):
        list(threads.map(lambda _: api.query("/accounts", limit="1"), range(AT_ONCE)))
    wake_functions(deployed, cloud, report, ["relay", *readers])


def limit_runners(deployed: Deployed, cloud: Cloud) -> None:
    """Lets no view run more than `RUNNERS` times at once."""
    functions, settings = cloud.client("lambda"), settings_of(deployed)
    with explained(cloud):
        for view in DOMAIN.views:
            functions.put_function_concurrency(
                FunctionName=settings.function(view), ReservedConcurrentExecutions=RUNNERS
            )


def settings_of(deployed: Deployed) -> Settings:
    """What tells the names of a deployment's functions."""
    return Settings({"LEFTFOLD_STACK": deployed.stack, "LEFTFOLD_TRUTH": deployed.outputs["Truth"]})


def wake_functions(
    deployed: Deployed, cloud: Cloud, report: Progress, names: Collection[str]
) -> None:
    """Invokes functions that look for work. Raises DeployError if one of them fails."""
    functions, settings = cloud.client("lambda"), settings_of(deployed)

    def invoke(name: str) -> tuple[str, Any]:
        report(f"deploy: waking {name}")
        full = settings.function(name)
        return full, functions.invoke(FunctionName=full, Payload=NOTHING_NEW)

    with explained(cloud), ThreadPoolExecutor(AT_ONCE) as threads:
        _check_started(threads.map(invoke, names))


def _check_started(answers: Iterable[tuple[str, Any]]) -> None:
    for name, answer in answers:
        # Read in any case, because an answer that is not read keeps its connection.
        payload = answer["Payload"].read()
        if "FunctionError" in answer:
            said = json.loads(payload).get("errorMessage", "no message")
            raise DeployError(f"the function {name} fails: {said}")

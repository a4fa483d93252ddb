"""Starts every function once, so that a fault shows now and no request waits for a cold start."""

import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from chalicelib.domain import DOMAIN
from chalicelib.leftfold.wiring.settings import Settings
from tools.api import Api
from tools.bank.importing import WORKERS
from tools.cloud import Cloud, DeployError, explained
from tools.deploy import Deployed
from tools.engines import Progress
from tools.signing_in import of_deployment

# Asks a function to look for work, as the waker does.
NOTHING_NEW = b'{"Records": []}'


def wake(deployed: Deployed, cloud: Cloud, report: Progress) -> None:
    """Invokes the relay, every view and policy, and the API as often at once as an import will.

    Raises DeployError if one of them fails.
    """
    report("deploy: waking the functions")
    functions = cloud.client("lambda")
    settings = Settings(
        {"LEFTFOLD_STACK": deployed.stack, "LEFTFOLD_TRUTH": deployed.outputs["Truth"]}
    )
    names = [settings.function(name) for name in ("relay", *DOMAIN.views, *DOMAIN.policies)]

    def invoke(name: str) -> tuple[str, Any]:
        return name, functions.invoke(FunctionName=name, Payload=NOTHING_NEW)

    auth = of_deployment(deployed, cloud.endpoint_url)
    with (
        explained(cloud),
        Api(deployed.url, auth=auth) as api,
        ThreadPoolExecutor(2 * WORKERS) as threads,
    ):
        answers = [threads.submit(api.query, "/accounts", limit="1") for _ in range(WORKERS)]
        _check_started(threads.map(invoke, names))
        for answer in answers:
            answer.result()


def _check_started(answers: Iterable[tuple[str, Any]]) -> None:
    for name, answer in answers:
        # Read in any case, because an answer that is not read keeps its connection.
        payload = answer["Payload"].read()
        if "FunctionError" in answer:
            said = json.loads(payload).get("errorMessage", "no message")
            raise DeployError(f"the function {name} fails: {said}")

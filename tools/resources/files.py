"""The generated files: what they must hold, which of them differ, and how they are written."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from chalicelib.leftfold.kernel import Announcer, Policy, View
from tools.bootstrap import ROOT
from tools.provisioned import literal, provisioned
from tools.resources.beside import beside_chalice
from tools.resources.edge import API_STAGE
from tools.resources.front import front_template
from tools.resources.functions import Function, functions
from tools.resources.permissions import Json, logging
from tools.resources.stacks import stage_template
from tools.resources.template import Served, template
from tools.resources.truth import truth_template
from tools.stages import APP, Stage, stages

TEMPLATE = Path("infra/resources.json")
STAGE_TEMPLATE = Path("infra/stage.json")
TRUTH_TEMPLATE = Path("infra/truth.json")
FRONT_TEMPLATE = Path("infra/front.json")
BESIDE_TEMPLATE = Path("infra/beside.json")
CONFIG = Path(".chalice/config.json")
# Bytes: larger than any answer. A function that compresses would be slower by more than it saves.
UNCOMPRESSED = 10_485_760


def config(
    merged: Json,
    made: Sequence[Function],
    stages: Iterable[Stage],
    written: Mapping[str, Mapping[str, str]],
) -> Json:
    """.chalice/config.json. *written* has what is written down of the stages that are provisioned."""
    return {
        "version": "2.0",
        "app_name": APP,
        "api_gateway_endpoint_type": "REGIONAL",
        "autogen_policy": False,
        # Without it, Chalice sends API Gateway an empty number.
        "minimum_compression_size": UNCOMPRESSED,
        "stages": {
            stage.name: chalice_stage(merged, stage, made, written.get(stage.name))
            for stage in stages
        },
    }


def chalice_stage(
    merged: Json, stage: Stage, made: Sequence[Function], facts: Mapping[str, str] | None
) -> Json:
    """A stage in .chalice/config.json; *facts* are what is written down of it."""
    settings: Json = {
        function.name: {
            "iam_policy_file": iam_file(function, stage.name if facts else None),
            **(function.chalice or {}),
        }
        for function in made
    }
    if stage.api_concurrency and "api_handler" in settings:
        settings["api_handler"]["reserved_concurrency"] = stage.api_concurrency
    # In a template it is a parameter, which a deployment of its own may set.
    if stage.feed_concurrency and stage.way == "chalice" and "feed" in settings:
        settings["feed"]["reserved_concurrency"] = stage.feed_concurrency
    return {
        "api_gateway_stage": API_STAGE,
        "lambda_architecture": stage.architecture,
        "lambda_memory_size": stage.memory,
        "lambda_timeout": 60,
        "environment_variables": {
            **(variables(merged, facts) if facts else {"LEFTFOLD_STACK": stage.prefix}),
            **stage.variables,
        },
        "lambda_functions": settings,
        **(custom_domain(stage) if stage.domain and stage.way == "chalice" else {}),
    }


def custom_domain(stage: Stage) -> Json:
    """The domain of a stage that Chalice deploys. CloudFormation makes that of another one in a stack
    of its own, which leads it to one of the stage's applications (docs/adr/0038): in the template of
    an application, each new one would take the domain.
    """
    domain = {"domain_name": stage.domain, "certificate_arn": stage.certificate}
    return {"api_gateway_custom_domain": domain}


def variables(merged: Json, facts: Mapping[str, str]) -> Json:
    """The variables of all functions in the application's template, by the names in *facts*."""
    found: Json = {}
    for resource in merged["Resources"].values():
        environment = resource.get("Properties", {}).get("Environment", {})
        found |= literal(environment.get("Variables", {}), facts)
    # Chalice refuses a variable without a value, and the functions take it for one that is not set.
    return {name: value for name, value in found.items() if value}


def iam_file(function: Function, stage: str | None = None) -> str:
    """The file of a role's permissions, below .chalice/: with references, or those of a stage."""
    return f"iam/{stage}/{function.iam_name}" if stage else f"iam/{function.iam_name}"


def permissions(function: Function, facts: Mapping[str, str] | None = None) -> Json:
    """The policy document of a function's role, by references or by the names in *facts*."""
    document = {
        "Version": "2012-10-17",
        "Statement": [logging(function.full_name), *function.statements],
    }
    if facts is None:
        return document
    made: Json = literal(document, facts)
    if function.name == "api_handler":
        # `chalice deploy` calls the API's function by the stage alone.
        made["Statement"][0] = literal(logging("${AWS::StackName}"), facts)
    return made


def generated(
    names: Collection[str],
    views: Mapping[str, View],
    policies: Mapping[str, Policy | Announcer],
    root: Path = ROOT,
    served: Collection[Served] = (),
) -> dict[Path, str]:
    """The text of each generated file by its path below *root*. Raises ResourcesError.

    *served* are the routes, each with the function that serves it.
    """
    made = functions(names, views, policies)
    known = stages(root)
    written = {
        name: facts
        for name, stage in known.items()
        if stage.way == "chalice" and (facts := provisioned(name, root))
    }
    merged = template(made, views, policies, served)
    contents = {
        STAGE_TEMPLATE: stage_template(),
        TRUTH_TEMPLATE: truth_template(),
        FRONT_TEMPLATE: front_template(),
        TEMPLATE: merged,
        BESIDE_TEMPLATE: beside_chalice(merged, made),
        CONFIG: config(merged, made, known.values(), written),
        **{CONFIG.parent / iam_file(f): permissions(f) for f in made},
        **{
            CONFIG.parent / iam_file(f, stage): permissions(f, facts)
            for stage, facts in written.items()
            for f in made
        },
    }
    return {path: f"{json.dumps(content, indent=2)}\n" for path, content in contents.items()}


def app_functions() -> list[str]:
    """The names of the app's Lambda functions, as Chalice calls them."""
    from app import app

    event_sources = [function.name for function in app.event_sources]
    return [
        "api_handler",
        *event_sources,
        *(function.name for function in app.pure_lambda_functions),
    ]


def wanted() -> dict[Path, str]:
    """The text of each generated file for this app and its domain. Raises ResourcesError."""
    from app import API, app
    from chalicelib.domain import DOMAIN
    from chalicelib.leftfold.http import live
    from chalicelib.leftfold.http.routes import FEED

    served = [
        (route.function, method, route.path)
        for route in API.routes
        if route.function != "api_handler"
        for method in route.methods
    ]
    served += [(FEED, method, live.PATH) for method in live.METHODS]
    elsewhere = {(method, path) for _, method, path in served}
    served += [
        ("api_handler", method, path)
        for path, methods in app.routes.items()
        for method in methods
        if (method, path) not in elsewhere
    ]
    return generated(app_functions(), DOMAIN.views, DOMAIN.policies, served=served)


def differing(files: Mapping[Path, str], root: Path = ROOT) -> list[Path]:
    """The files that differ from *files*, and the permissions of functions that are gone."""
    there = (root / CONFIG.parent).glob("iam/**/*.json")
    gone = {path.relative_to(root) for path in there} - set(files)
    stale = [
        path
        for path, text in files.items()
        if not (root / path).exists() or (root / path).read_text() != text
    ]
    return sorted([*stale, *gone])


def write(files: Mapping[Path, str], root: Path = ROOT) -> list[Path]:
    """Writes *files*, deletes permissions of functions that are gone, returns what changed."""
    stale = differing(files, root)
    for path in stale:
        if path in files:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(files[path])
        else:
            (root / path).unlink()
    return stale

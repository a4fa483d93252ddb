"""The generated files: what they must hold, which of them differ, and how they are written."""

import json
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from chalicelib.leftfold.kernel import Policy, View
from tools.bootstrap import ROOT
from tools.resources.functions import Function, functions
from tools.resources.permissions import Json, logging
from tools.resources.stacks import stage_template, truth_template
from tools.resources.template import Served, template

TEMPLATE = Path("infra/resources.json")
STAGE_TEMPLATE = Path("infra/stage.json")
TRUTH_TEMPLATE = Path("infra/truth.json")
CONFIG = Path(".chalice/config.json")


def config(existing: Json, made: Iterable[Function]) -> Json:
    """.chalice/config.json, with the functions of each of its stages made anew."""
    settings = {
        function.name: {"iam_policy_file": function.iam_file, **(function.chalice or {})}
        for function in made
    }
    stages = {
        name: stage | {"lambda_functions": settings} for name, stage in existing["stages"].items()
    }
    return existing | {"stages": stages}


def permissions(function: Function) -> Json:
    """The policy document of a function's role."""
    return {
        "Version": "2012-10-17",
        "Statement": [logging(function.full_name), *function.statements],
    }


def generated(
    names: Collection[str],
    views: Mapping[str, View],
    policies: Mapping[str, Policy],
    root: Path = ROOT,
    served: Collection[Served] = (),
) -> dict[Path, str]:
    """The text of each generated file by its path below *root*. Raises ResourcesError.

    *served* are the routes that a function other than the API's serves.
    """
    made = functions(names, views, policies)
    existing = json.loads((root / CONFIG).read_text())
    contents = {
        STAGE_TEMPLATE: stage_template(),
        TRUTH_TEMPLATE: truth_template(),
        TEMPLATE: template(made, views, policies, served),
        CONFIG: config(existing, made),
        **{CONFIG.parent / f.iam_file: permissions(f) for f in made},
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
    from app import API
    from chalicelib.domain import DOMAIN
    from chalicelib.leftfold.http import live

    served = [
        (route.function, method, route.path)
        for route in API.routes
        if route.function != "api_handler"
        for method in route.methods
    ]
    served += [(live.FUNCTION, method, live.PATH) for method in live.METHODS]
    return generated(app_functions(), DOMAIN.views, DOMAIN.policies, served=served)


def differing(files: Mapping[Path, str], root: Path = ROOT) -> list[Path]:
    """The files that differ from *files*, and the permissions of functions that are gone."""
    there = (root / CONFIG.parent).glob("iam/*.json")
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

"""The generated files: what they must hold, which of them differ, and how they are written."""

import json
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from chalicelib.leftfold.kernel import Policy, View
from tools.bootstrap import ROOT
from tools.resources.functions import Function, ResourcesError, functions
from tools.resources.permissions import LOGGING, Json
from tools.resources.template import template

BASE = Path("infra/base.json")
ACCESS = Path("infra/access.json")
TEMPLATE = Path("infra/resources.json")
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
    return {"Version": "2012-10-17", "Statement": [LOGGING, *function.statements]}


def base(root: Path) -> Json:
    """The resources that no function brings: the engine's, and those of access.

    Raises ResourcesError if both have a part of one name.
    """
    made: Json = json.loads((root / BASE).read_text())
    for section, parts in with_code(json.loads((root / ACCESS).read_text()), root).items():
        if clash := made[section].keys() & parts.keys():
            raise ResourcesError(f"resources: {BASE} and {ACCESS} both have {min(clash)}")
        made[section] |= parts
    return made


def with_code(template: Json, root: Path) -> Json:
    """*template* with the text of each file that a function's `ZipFile` names."""
    for resource in template["Resources"].values():
        code = resource.get("Properties", {}).get("Code", {})
        if "ZipFile" in code:
            code["ZipFile"] = (root / code["ZipFile"]).read_text()
    return template


def generated(
    names: Collection[str],
    views: Mapping[str, View],
    policies: Mapping[str, Policy],
    root: Path = ROOT,
) -> dict[Path, str]:
    """The text of each generated file by its path below *root*. Raises ResourcesError."""
    made = functions(names, views, policies)
    existing = json.loads((root / CONFIG).read_text())
    contents = {
        TEMPLATE: template(base(root), made, views, policies),
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
    from chalicelib.domain import DOMAIN

    return generated(app_functions(), DOMAIN.views, DOMAIN.policies)


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

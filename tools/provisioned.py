"""What `leftfold provision` writes down of a stage, so that `chalice deploy` finds it.

Chalice takes permissions and variables as they stand in .chalice: names of an account and a region,
and not CloudFormation's references.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tools.bootstrap import ROOT

FOLDER = Path("infra/provisioned")
# What CloudFormation calls the deployment that it is at work on, by the names that are written down.
PSEUDO = {
    "AWS::Partition": "Partition",
    "AWS::Region": "Region",
    "AWS::AccountId": "Account",
    "AWS::StackName": "Application",
}


def provisioned(stage: str, root: Path = ROOT) -> Mapping[str, str] | None:
    """What is written down of a stage; None before `leftfold provision`."""
    try:
        found: dict[str, str] = json.loads((root / FOLDER / f"{stage}.json").read_text())
    except FileNotFoundError:
        return None
    return found


def write_down(stage: str, facts: Mapping[str, str], root: Path = ROOT) -> Path:
    """Writes down what `provision` has made; the file below *root*."""
    path = FOLDER / f"{stage}.json"
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(f"{json.dumps(dict(sorted(facts.items())), indent=2)}\n")
    return path


class ChaliceApi(NamedTuple):
    """The API that `chalice deploy` has made."""

    api_id: str
    url: str


def chalice_api(stage: str, root: Path = ROOT) -> ChaliceApi | None:
    """The API of a stage as Chalice has written it down; None before `chalice deploy`."""
    try:
        deployed = json.loads((root / ".chalice" / "deployed" / f"{stage}.json").read_text())
    except FileNotFoundError:
        return None
    made = {each["resource_type"]: each for each in deployed.get("resources", ())}
    api = made.get("rest_api")
    return ChaliceApi(api["rest_api_id"], api["rest_api_url"]) if api else None


def literal(value: Any, facts: Mapping[str, str]) -> Any:
    """*value* with names in the place of CloudFormation's references.

    Raises KeyError for a reference to something that is not written down.
    """
    match value:
        case {"Fn::If": [str(condition), then, otherwise]}:
            # Of a parameter that has a value.
            return literal(then if facts[condition.removeprefix("Has")] else otherwise, facts)
        case {"Ref": str(name)}:
            return None if name == "AWS::NoValue" else facts[PSEUDO.get(name, name)]
        case {"Fn::Sub": str(text)}:
            parts = text.split("${")
            rest = (part.split("}", 1) for part in parts[1:])
            named = (f"{facts[PSEUDO.get(name, name)]}{after}" for name, after in rest)
            return parts[0] + "".join(named)
        case dict():
            return {key: literal(each, facts) for key, each in value.items()}
        case list():
            return [made for each in value if (made := literal(each, facts)) is not None]
    return value

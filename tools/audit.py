"""The templates as CloudFormation takes them, and the bill of materials: python -m tools.audit.

cfn-lint reads each template, the packaged one among them, after the transform of SAM. CycloneDX
lists what the functions are shipped with. Both are in a virtual environment of their own.
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from rich.box import SIMPLE_HEAD
from rich.table import Table

from tools.bootstrap import ROOT, STATE, InstallError, install
from tools.console import console
from tools.dependencies import PackagingError
from tools.package import package
from tools.resources import BESIDE_TEMPLATE, STAGE_TEMPLATE, TRUTH_TEMPLATE
from tools.resources.edge import API_STAGE

LOCK = Path(__file__).with_name("audit.txt")
VENV = STATE / "audit" / "venv"
SBOM = STATE / "audit" / "sbom.json"
REGION = "eu-central-1"
# Takes a parameter that is empty by default for empty, also where a condition says that it is not.
BESIDE_CONDITIONS = ("W1031",)
# Prints a template after the transform; the functions' code lies in a bucket by then.
TRANSFORM = """
import json, sys
from samtranslator.translator.transform import transform
template = json.load(sys.stdin)
for resource in template["Resources"].values():
    if resource["Type"] == "AWS::Serverless::Function":
        resource["Properties"]["CodeUri"] = {"Bucket": "bucket", "Key": "key"}
class Managed:
    def load(self): return {}
json.dump(transform(template, {}, Managed()), sys.stdout)
"""


class Measure(NamedTuple):
    """Sizes of a template after the transform."""

    resources: int
    parameters: int
    size: int
    policy: int


# Where the sizes are written down, in steps, so that a small change needs no new line.
WRITTEN = Path("docs/evidence.md")
SIZE_STEP, POLICY_STEP = 5_000, 500

# What CloudFormation takes of each, and IAM of the inline policies of a role, in characters.
MOST = Measure(500, 200, 1_000_000, 10_240)


class AuditError(Exception):
    """What is wrong, a line for each finding."""


def transformed(template: Mapping[str, Any]) -> Mapping[str, Any]:
    """A template as CloudFormation sees it after the transform of SAM. Raises AuditError."""
    done = subprocess.run(
        [str(VENV / "bin" / "python"), "-c", TRANSFORM],
        check=False,
        input=json.dumps(template),
        capture_output=True,
        text=True,
        env={"AWS_DEFAULT_REGION": REGION},
    )
    if done.returncode != 0:
        raise AuditError((done.stderr.strip() or "the transform failed").splitlines()[-1])
    made: Mapping[str, Any] = json.loads(done.stdout)
    return made


def measure(template: Mapping[str, Any]) -> Measure:
    """The sizes of a template."""
    roles = [r for r in template["Resources"].values() if r["Type"] == "AWS::IAM::Role"]
    policies = [role["Properties"].get("Policies", []) for role in roles]
    return Measure(
        len(template["Resources"]),
        len(template.get("Parameters", {})),
        len(json.dumps(template)),
        max((len(json.dumps(each, separators=(",", ":"))) for each in policies), default=0),
    )


def linted(name: str, file: Path) -> Iterator[str]:
    """What cfn-lint finds in a template."""
    where = ["--regions", REGION, "--template", str(file)]
    done = run("cfn-lint", *where, "--ignore-checks", *BESIDE_CONDITIONS)
    yield from (f"{name}: {line}" for line in done.stdout.splitlines() if line.strip())


def faults(name: str, made: Mapping[str, Any]) -> Iterator[str]:
    """What of a template, after the transform, AWS would refuse, or we would not want."""
    for what, found, most in zip(Measure._fields, measure(made), MOST, strict=True):
        if found > most:
            yield f"{name}: {what} is {found}, and AWS takes {most}"
    for key, resource in made["Resources"].items():
        # The second stage that SAM adds by default would be public, too.
        is_stage = resource["Type"] == "AWS::ApiGateway::Stage"
        if is_stage and resource["Properties"]["StageName"] != API_STAGE:
            yield f"{name}: {key} is a second stage of the API"


def outdated(name: str, found: Measure, text: str) -> Iterator[str]:
    """What the table in *text* should say of a template, and does not."""
    size, policy = (
        -(-number // step) * step
        for number, step in ((found.size, SIZE_STEP), (found.policy, POLICY_STEP))
    )
    line = f"| {name} | {found.resources} | {found.parameters} | {size:,} | {policy:,} |"
    if line not in text:
        yield f"{WRITTEN} should have the line: {line}"


def run(tool: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A tool of the environment."""
    command = [str(VENV / "bin" / tool), *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT)


def bill() -> int:
    """Writes the bill of materials; how many packages it has. Raises AuditError."""
    SBOM.parent.mkdir(parents=True, exist_ok=True)
    options = ["--pyproject", "pyproject.toml", "--output-reproducible", "--output-file", str(SBOM)]
    done = run("cyclonedx-py", "requirements", *options, "requirements.txt")
    if done.returncode != 0:
        raise AuditError((done.stderr.strip() or "cyclonedx-py failed").splitlines()[-1])
    return len(json.loads(SBOM.read_text())["components"])


def main() -> None:
    """Reports sizes and faults of all templates, and writes the bill of materials."""
    try:
        install("the audit's tools", VENV, LOCK, print)
        made = package("dev", lambda _: None)
        templates = {
            "stage": ROOT / STAGE_TEMPLATE,
            "truth": ROOT / TRUTH_TEMPLATE,
            "application": made.template,
            "beside": ROOT / BESIDE_TEMPLATE,
        }
        table = Table(*("template", *Measure._fields), box=SIMPLE_HEAD)
        found: list[str] = []
        for name, file in templates.items():
            after = transformed(json.loads(file.read_text()))
            table.add_row(name, *map(str, measure(after)))
            found += [*linted(name, file), *faults(name, after)]
            found += outdated(name, measure(after), (ROOT / WRITTEN).read_text())
        console.print(table)
        console.print(f"{bill()} packages: {SBOM.relative_to(ROOT)}", soft_wrap=True)
    except (InstallError, PackagingError, AuditError) as error:
        sys.exit(f"leftfold: {error}")
    if found:
        sys.exit("\n".join(found))


if __name__ == "__main__":
    main()

"""The stages in infra/stages.toml: how each is deployed, and its sizes."""

import re
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args, get_type_hints

from chalicelib.leftfold.access.roles import text_of
from tools.bootstrap import ROOT
from tools.warm import ALIAS

FILE = Path("infra/stages.toml")
# A name becomes part of the names of stacks, tables and buckets, where "-" is a separator.
NAME = re.compile(r"[a-z][a-z0-9]{0,15}")
APP = "leftfold"
# Seconds: Lambda's longest batching window.
LONGEST_WINDOW = 300
# The commits for each log that an invocation of the relay gets: five blocks of many streams.
RELAY_BATCH = 500
# The relay writes the blocks of all logs at once, each by a thread of its own.
MOST_LOGS = 16
# Lambda takes 4 KB of variables, and others need room too.
LONGEST_ROLES = 2_500


class StageError(Exception):
    """An error in one line: what is wrong with a stage and the cure."""


@dataclass(frozen=True)
class Stage:
    """One stage. infra/stages.toml says what each field means."""

    name: str
    way: Literal["cloudformation", "chalice"]
    runtime: str
    architecture: Literal["x86_64", "arm64"]
    memory: int
    keep_logs_days: int
    is_protected: bool
    has_own_keys: bool
    has_backup: bool
    shards: int
    wake_window: int
    logs: int
    search_instance: str
    search_instances: int
    search_volume: int
    api_concurrency: int
    api_warm: int
    feed_concurrency: int
    throttle_rate: int
    throttle_burst: int
    tenant_rate: int
    feed_seats: int
    wait_seats: int
    roles: Mapping[str, str]
    cors_origins: str
    has_access_logs: bool
    otlp_endpoint: str
    domain: str
    certificate: str
    web_acl: str

    @property
    def prefix(self) -> str:
        """The name of the stage's first truth and of its first application."""
        return f"{APP}-{self.name}"

    @property
    def parameters(self) -> dict[str, str]:
        """The stage's settings as parameters of the templates."""
        return {
            "Stage": self.prefix,
            "IsProtected": str(self.is_protected).lower(),
            "HasOwnKeys": str(self.has_own_keys).lower(),
            "HasBackup": str(self.has_backup).lower(),
            "KeepLogsDays": str(self.keep_logs_days),
            "Memory": str(self.memory),
            "Shards": str(self.shards),
            "WakeWindow": str(self.wake_window),
            "Logs": str(self.logs),
            "RelayBatch": str(RELAY_BATCH * self.logs),
            "SearchInstance": self.search_instance,
            "SearchInstances": str(self.search_instances),
            "SearchVolume": str(self.search_volume),
            # A quarter, as AWS advises.
            "SearchLeast": str(self.search_volume * 250),
            "ApiWarm": str(self.api_warm),
            "ApiAlias": f":{ALIAS}" if self.api_warm else "",
            "FeedConcurrency": str(self.feed_concurrency),
            "ThrottleRate": str(self.throttle_rate),
            "ThrottleBurst": str(self.throttle_burst),
            "TenantRate": str(self.tenant_rate),
            "FeedSeats": str(self.feed_seats),
            "WaitSeats": str(self.wait_seats),
            "Access": "roles" if self.roles else "tokens",
            "CorsOrigins": self.cors_origins,
            "AccessLogs": str(self.has_access_logs).lower(),
            "OtlpEndpoint": self.otlp_endpoint,
            "DomainName": self.domain,
            "CertificateArn": self.certificate,
            "WebAcl": self.web_acl,
        }

    @property
    def variables(self) -> dict[str, str]:
        """The variables that Chalice needs when it packages for the stage; functions have them too."""
        return {"LEFTFOLD_ROLES": text_of(self.roles)} if self.roles else {}

    def check_runtime(self) -> None:
        """Raises StageError unless the running Python is the one that the stage runs on.

        The package has compiled files, and wheels, of the Python that makes it.
        """
        here = running()
        if here != self.runtime:
            raise StageError(
                f"the stage {self.name} runs on {self.runtime} (infra/stages.toml), and this is"
                f" {here}; `rm -r .leftfold/venv && PYTHON={self.runtime} make tools` gets the"
                " right one"
            )


def running() -> str:
    """Lambda's name for the running Python."""
    return "python{}.{}".format(*sys.version_info)


def stages(root: Path = ROOT) -> Mapping[str, Stage]:
    """All stages by name. Raises StageError."""
    try:
        read = tomllib.loads((root / FILE).read_text())
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise StageError(f"{FILE}: {error}") from error
    return {name: stage_of(name, settings) for name, settings in read.items()}


def stage(name: str, root: Path = ROOT) -> Stage:
    """The stage *name*. Raises StageError."""
    found = stages(root)
    if name not in found:
        raise StageError(f"no stage {name!r} in {FILE} (it has {', '.join(found)}); add it there")
    return found[name]


def stage_of(name: str, settings: Any) -> Stage:
    """The stage that a table of the file describes. Raises StageError."""
    if not NAME.fullmatch(name):
        raise StageError(f"{FILE}: {name!r} cannot name a stage; take up to 16 of a-z and 0-9")
    hints = get_type_hints(Stage)
    names = [field.name for field in fields(Stage) if field.name != "name"]
    if not isinstance(settings, dict) or set(settings) != set(names):
        wrong = ", ".join(sorted(set(names) ^ set(settings)))
        raise StageError(f"{FILE}: [{name}] has too few settings, or unknown ones: {wrong}")
    for key in names:
        if key == "roles":
            continue
        value, choices = settings[key], get_args(hints[key])
        if value not in choices if choices else type(value) is not hints[key]:
            wanted = " or ".join(choices) if choices else f"of type {hints[key].__name__}"
            raise StageError(f"{FILE}: [{name}] {key} is {value!r}; it must be {wanted}")
    if not 0 <= settings["wake_window"] <= LONGEST_WINDOW:
        raise StageError(
            f"{FILE}: [{name}] wake_window is {settings['wake_window']}; it must be 0 to"
            f" {LONGEST_WINDOW}"
        )
    if not 1 <= settings["logs"] <= MOST_LOGS:
        raise StageError(
            f"{FILE}: [{name}] logs is {settings['logs']}; it must be 1 to {MOST_LOGS}"
        )
    check_concurrency(name, settings)
    if bool(settings["domain"]) != bool(settings["certificate"]):
        raise StageError(
            f"{FILE}: [{name}] a domain needs a certificate, the ARN of one of ACM in its region, and a"
            " certificate a domain"
        )
    check_roles(name, settings["roles"])
    return Stage(name, **settings)


def check_concurrency(name: str, settings: Mapping[str, Any]) -> None:
    """Raises StageError where more is wanted than a function's concurrency lets run."""
    api = settings["api_concurrency"]
    if settings["api_warm"] > api > 0:
        raise StageError(
            f"{FILE}: [{name}] api_warm is {settings['api_warm']}; Lambda keeps no more processes ready"
            f" than api_concurrency lets run, which is {api}"
        )
    for seats, bound in (("feed_seats", "feed_concurrency"), ("wait_seats", "api_concurrency")):
        if settings[seats] > settings[bound] > 0:
            raise StageError(
                f"{FILE}: [{name}] {seats} is {settings[seats]}, and no more than {bound} can be taken,"
                f" which is {settings[bound]}; half of it leaves room for other tenants"
            )


def check_roles(name: str, roles: Any) -> None:
    """Raises StageError unless *roles* can be the table of a stage."""
    wrong = ""
    if not isinstance(roles, dict) or not all(isinstance(text, str) for text in roles.values()):
        wrong = 'it must be {"ARN of a role" = "TENANT RIGHT…"}'
    else:
        try:
            if len(text_of(roles)) > LONGEST_ROLES:
                wrong = "so many roles fit into no function's variables; take tokens instead"
        except ValueError as error:
            wrong = str(error)
    if wrong:
        raise StageError(f"{FILE}: [{name}] roles: {wrong}")

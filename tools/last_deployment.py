"""The deployment that commands speak to when nothing else is said: the one deployed last."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from tools.bootstrap import STATE

# The stack and the stage of .chalice/config.json that commands use by default.
STACK = "leftfold-dev"
STAGE = "dev"
WHERE = STATE / "deployed.json"


class NoDeploymentError(Exception):
    """An error in one line: nothing is deployed, and the cure."""


@dataclass(frozen=True)
class Current:
    """A deployment: its stack, its API, and the endpoint of what stands in for AWS, if any."""

    stack: str
    url: str
    endpoint_url: str | None = None


def remember(current: Current, where: Path | None = None) -> None:
    """Makes it the one that commands speak to."""
    where = where or WHERE
    where.parent.mkdir(parents=True, exist_ok=True)
    where.write_text(f"{json.dumps(asdict(current), indent=2)}\n")


def recall(where: Path | None = None) -> Current:
    """The deployment remembered last. Raises NoDeploymentError."""
    try:
        return Current(**json.loads((where or WHERE).read_text()))
    except (OSError, ValueError, TypeError):
        raise NoDeploymentError(
            "no deployment is known; start one with `make run` in another terminal,"
            " or with `leftfold deploy`, or name one by --stack or --url"
        ) from None


def forget(where: Path | None = None) -> None:
    """Forgets it: it no longer runs."""
    (where or WHERE).unlink(missing_ok=True)

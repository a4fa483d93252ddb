"""What became of each mutant, kept so that a run goes on where the last one ended."""

import json
import re
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from typing import NamedTuple

from tools.mutation.mutants import MODULE, Mutant

KILLED, ENDLESS, REFUSED = "killed", "endless", "refused"
SURVIVED, UNREACHED = "survived", "unreached"
NUMBER = re.compile(r"-?\b\d+\b")


class Outcome(NamedTuple):
    """What became of a mutant; *by* is the test that killed it, or what happened.

    One that no test has killed and the type checker has is *refused*: it cannot land.
    """

    mutant: Mutant
    became: str
    by: str = ""
    tests: int = 0

    @property
    def is_dead(self) -> bool:
        """Whether a test, or the type checker, missed what the fault took away."""
        return self.became in {KILLED, ENDLESS, REFUSED}


@dataclass(frozen=True)
class Equivalent:
    """A mutant that no test can kill. *file* is the end of its path."""

    file: str
    function: str
    was: str
    becomes: str
    why: str

    def names(self, mutant: Mutant) -> bool:
        """Whether a mutant is this one."""
        return f"/{mutant.path}".endswith(f"/{self.file}") and (
            mutant.function,
            mutant.was,
            mutant.becomes,
        ) == (self.function, self.was, self.becomes)


@dataclass(frozen=True)
class Amount:
    """A constant that says how much is done at once, or how often before one gives up: with one
    more or one less everything comes out the same. Its other mutants count.
    """

    file: str
    name: str
    why: str

    def names(self, mutant: Mutant) -> bool:
        """Whether a mutant changes nothing but the constant's number."""
        return (
            f"/{mutant.path}".endswith(f"/{self.file}")
            and mutant.function == MODULE
            and mutant.was.startswith(f"{self.name} = ")
            and NUMBER.sub("0", mutant.was) == NUMBER.sub("0", mutant.becomes)
        )


Known = Equivalent | Amount


def equivalents(path: Path) -> list[Known]:
    """Those that are known. One entry may have several *becomes*, or *names* of amounts."""
    stored = tomllib.loads(path.read_text()) if path.exists() else {}
    return [
        *(
            Equivalent(**{**each, "becomes": becomes})
            for each in stored.get("equivalent", [])
            for becomes in (
                [each["becomes"]] if isinstance(each["becomes"], str) else each["becomes"]
            )
        ),
        *(
            Amount(each["file"], name, each["why"])
            for each in stored.get("amounts", [])
            for name in each["names"]
        ),
    ]


class Share(NamedTuple):
    """How many of some mutants were killed, with the bounds of a 95 % interval (Wilson's)."""

    killed: int
    of: int

    @property
    def percent(self) -> float:
        """Killed of a hundred; of none, all."""
        return 100 * self.killed / self.of if self.of else 100.0

    @property
    def interval(self) -> tuple[float, float]:
        """In percent."""
        if not self.of:
            return 0.0, 100.0
        z, n, p = 1.96, self.of, self.killed / self.of
        middle = (p + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        return 100 * (middle - half), 100 * (middle + half)


def share(outcomes: Iterable[Outcome], known: Sequence[Known]) -> Share:
    """The share of those killed among all that are not known to be equivalent."""
    counted = [o for o in outcomes if o.is_dead or not any(k.names(o.mutant) for k in known)]
    return Share(sum(o.is_dead for o in counted), len(counted))


class Results:
    """The outcomes of earlier runs, one in a line. Each counts while the sources that decided
    it are the same: its own module and the test that killed it, or, if it lives, all tests.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stored: dict[str, dict[str, str | int]] = {}
        if path.exists():
            for line in path.read_text().splitlines():
                stored = json.loads(line)
                self._stored[stored["key"]] = stored

    def find(self, mutant: Mutant, digest: str, digests: dict[str, str]) -> Outcome | None:
        """What is known of a mutant."""
        stored = self._stored.get(mutant.key)
        if stored is None or stored["module"] != digest:
            return None
        decided = digests.get(str(stored["file"])) if stored["file"] else digests["*"]
        if stored["tests"] != decided:
            return None
        return Outcome(mutant, str(stored["became"]), str(stored["by"]), int(stored["ran"]))

    def keep(self, outcome: Outcome, digest: str, digests: dict[str, str]) -> None:
        """Writes one down."""
        file = outcome.by.partition("::")[0] if outcome.is_dead and "::" in outcome.by else ""
        stored = {
            "key": outcome.mutant.key,
            "module": digest,
            "file": file,
            "tests": digests[file or "*"],
            "became": outcome.became,
            "by": outcome.by,
            "ran": outcome.tests,
        }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a") as lines:
            lines.write(json.dumps(stored) + "\n")

"""Larger sizes and new seeds: python -m tests.more [--seed N] [--minutes M].

The seed comes from the commit, so each commit tries what none before has tried, and a failure is repeated by the
command that is printed. Every step runs, whatever failed before it. The last one is pytest, so that the output ends
with its summary; it also lists the lines of chalicelib that no test ran.
"""

import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

import click

from tools.bootstrap import ROOT

# As many as the hunt's minutes are enough for.
MUTANTS = 60
# Not those of a `leftfold run` beside it.
PORTS = ("--port", "4577", "--search-port", "9277")
# A step that takes this many times as long as planned hangs.
HANGS_AFTER = 3


@dataclass(frozen=True)
class Step:
    """One command, *module* and its *arguments*, that takes about *minutes* on 2 cores."""

    minutes: float
    module: str
    arguments: Sequence[str]

    @property
    def command(self) -> list[str]:
        """The command, as a person repeats it with this Python."""
        return ["-m", self.module, *self.arguments]


def steps_of(seed: int, since: str = "HEAD~1") -> list[Step]:
    """What is run, in this order. A tool that runs longer than the suite allows gets a line here.

    The *seed* decides which step is the first, so that a step for which there was no time is run
    for another commit. Mutants are planted in the files that differ from the revision *since*.
    """
    engines = ["--seed", str(seed)]
    longer = [
        Step(2, "tests.simulation", ["--first", str(seed), "--count", "500"]),
        Step(1, "tests.simulation", ["--generations", "--first", str(seed), "--count", "200"]),
        Step(0.5, "tests.simulation", ["--releases", "--first", str(seed), "--count", "80"]),
        Step(0.5, "tests.simulation", ["--forgetting", "--first", str(seed), "--count", "80"]),
        Step(0.2, "tests.simulation", ["--logs", "--first", str(seed), "--count", "200"]),
        Step(2, "pytest", ["tests/archive/test_bank_file.py", "tests/erasure/test_bank_file.py"]),
        Step(0.7, "tests.erasure", []),
        Step(1, "tests.projection.announced", ["--first", str(seed), "--count", "2000"]),
        Step(1, "tests.engines", ["run", "--commits", "2000", *engines]),
        Step(1, "tests.engines", ["sweeper", "--commits", "2000", *engines]),
        Step(1, "tests.engines", ["poison", "--commits", "2000", *engines]),
        Step(1, "tests.engines", ["shards", "--commits", "2000", *engines]),
        Step(1, "tests.engines", ["race", "--commits", "200", *engines]),
        Step(1, "tests.engines.moving", ["--kind", "merge", *engines]),
        Step(1, "tests.generations.counting", ["--streams", "5000"]),
        Step(4, "tests.generations", engines),
        Step(1, "tools.web_console", ["check"]),
        Step(2, "tests.browser", []),
        Step(2, "tests.journey", ["--transfers", "200", *engines]),
        Step(5, "tests.models", ["--deep"]),
        Step(4, "tools", ["run", "--all", "--once", *PORTS]),
        Step(3, "tools.mutation", mutants_of(seed, since)),
    ]
    first = seed % len(longer)
    return [*longer[first:], *longer[:first], Step(4, "pytest", laws_of(seed))]


def mutants_of(seed: int, since: str) -> list[str]:
    """The hunt's arguments. A survivor is listed and fails nothing, for the next may be equivalent to
    the code: only so many do that a suite which kills 95 % hardly ever leaves them.
    """
    bounds = ["--sample", str(MUTANTS), "--budget", "2.5", "--workers", "2", "--least", "85"]
    return ["--since", since, "--seed", str(seed), *bounds]


def laws_of(seed: int) -> list[str]:
    """Pytest's arguments: the laws with more examples, and the lines that were never run."""
    examples = ["--hypothesis-profile=more", f"--hypothesis-seed={seed}"]
    parallel = ["-n", "auto", "--dist", "loadgroup"]
    covered = ["--cov", "--cov-report=term-missing"]
    return ["-m", "not engine", "--share", "0.1", *examples, *parallel, *covered]


@click.command()
@click.option("--seed", type=int, help="Instead of the one that the commit gives.")
@click.option(
    "--minutes", default=30.0, show_default=True, help="No step is begun that would end later."
)
def main(seed: int | None, minutes: float) -> None:
    """Run the suite's laws at larger sizes; exit 1 if a step failed."""
    chosen = seed_of(head()) if seed is None else seed
    click.echo(f"seed {chosen}; all of it again: python -m tests.more --seed {chosen}")
    *longer, laws = steps_of(chosen, last_release())
    ends = time.monotonic() + 60 * (minutes - laws.minutes)
    failed = []
    for step in longer:
        line = f"python {' '.join(step.command)}"
        if time.monotonic() + 60 * step.minutes > ends:
            click.echo(f"left out, {minutes:g} minutes are too short: {line}")
        elif not passes(step, line):
            failed.append(line)
    for line in failed:
        click.echo(f"FAILED: {line}")
    raise SystemExit(0 if passes(laws, "pytest") and not failed else 1)


def passes(step: Step, line: str) -> bool:
    """Whether the command ends well, and in time."""
    click.echo(f"\n$ {line}")
    try:
        done = subprocess.run(
            [sys.executable, *step.command],
            check=False,
            cwd=ROOT,
            timeout=60 * HANGS_AFTER * step.minutes,
        )
    except subprocess.TimeoutExpired:
        click.echo(f"stopped: it was planned to take {step.minutes:g} minutes")
        return False
    return done.returncode == 0


def head() -> str:
    """The hash of the commit that is checked out."""
    return git("rev-parse", "HEAD")


def last_release() -> str:
    """The tag of the last release before this commit; without one, the commit before this one."""
    releases = git(
        "tag", "--list", "v*", "--no-contains", "HEAD", "--merged", "HEAD", "--sort=-v:refname"
    )
    return releases.partition("\n")[0] or "HEAD~1"


def git(*arguments: str) -> str:
    """What git answers. Raises CalledProcessError."""
    done = subprocess.run(
        ["git", *arguments],  # noqa: S607 - git is where the caller has it
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    return done.stdout.strip()


def seed_of(commit: str) -> int:
    """A seed of the commit's own, below 10^9 and far from those of the suite."""
    return 10**6 + int(commit[:12], 16) % (10**9 - 2 * 10**6)


if __name__ == "__main__":
    main()

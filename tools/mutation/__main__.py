"""Plants faults and counts the tests that miss them: python -m tools.mutation --sample 200."""

import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from random import Random

import click
import pytest
from rich.console import Console
from rich.table import Table

from tools.bootstrap import ROOT
from tools.engines import DynamoDBLocal
from tools.mutation.hunting import Engines, Hunter, Plan, options, repeatable
from tools.mutation.mutants import Mutant, modules, mutants_of
from tools.mutation.outcomes import (
    ENDLESS,
    KILLED,
    REFUSED,
    SURVIVED,
    UNREACHED,
    Known,
    Outcome,
    Results,
    Share,
    equivalents,
    share,
)
from tools.mutation.reaching import digest, digests
from tools.mutation.types import Types

# Where the code is, and which tests are run; of those that need an engine, few or none.
CODE = ("chalicelib",)
TESTS = (
    "tests/access",
    "tests/archive/test_archiver.py",
    "tests/archive/test_pruner.py",
    "tests/archive/test_work_done_once.py",
    "tests/bank",
    "tests/contracts",
    "tests/erasure/test_auditing.py",
    "tests/erasure/test_erasing.py",
    "tests/erasure/test_mark.py",
    "tests/erasure/test_rewriting.py",
    "tests/functions",
    "tests/generations",
    "tests/http",
    "tests/kernel",
    "tests/projection",
    "tests/relay",
    "tests/releases",
    "tests/repair",
    "tests/store",
    "tests/subjects",
    "tests/test_clients.py",
    "tests/test_event_versions.py",
    "tests/test_numbers.py",
    "tests/test_refusals.py",
    "tests/test_settings.py",
    "tests/test_tracing.py",
    "tests/test_wiring.py",
    "tests/tools/test_announcing.py",
    "tests/tools/test_archiving.py",
    "tests/tools/test_asyncapi.py",
    "tests/tools/test_changing.py",
    "tests/tools/test_event_model.py",
    "tests/tools/test_filling.py",
    "tests/tools/test_generation_check.py",
    "tests/tools/test_operations.py",
    "tests/tools/test_ranges.py::test_a_range_beyond_the_log_is_told",
    "tests/tools/test_ranges.py::test_a_view_that_fails_is_replayed_by_one_process",
    "tests/tools/test_ranges.py::test_the_ranges_of_a_log_make_the_rows_of_the_whole",
    "tests/tools/test_reconciling.py",
    "tests/tools/test_repairing.py",
    "tests/tools/test_scanning.py",
    "tests/tools/test_verify.py",
    "tests/simulation/test_generations.py::test_no_history_of_two_generations_breaks_a_law[1]",
    "tests/simulation/test_simulation.py::test_no_history_breaks_a_law[1]",
)
# Folders whose tests take too long, or try other code than that of CODE.
NOT_RUN = frozenset({"browser", "engines", "examples", "journey", "models"})
ENGINES = ("dynamodb_local", "kinesis_local", "ministack", "opensearch")
KEPT = ROOT / ".leftfold" / "mutation"
RESULTS = KEPT / "results.jsonl"
KNOWN = ROOT / "tests" / "mutants.toml"
STATES = (KILLED, ENDLESS, REFUSED, SURVIVED, UNREACHED)
console = Console(soft_wrap=True, highlight=False, width=120)


@click.command()
@click.argument("files", nargs=-1)
@click.option("--sample", type=click.IntRange(1), help="So many mutants; else all.")
@click.option("--seed", default=1, show_default=True, help="Decides which.")
@click.option("--since", metavar="REV", help="Only of files changed since a git revision.")
@click.option("--budget", default=1e6, metavar="MINUTES", help="Starts no mutant after these.")
@click.option("--workers", default=1, show_default=True, help="Processes at a time.")
@click.option("--least", default=95.0, show_default=True, help="Percent that must be killed.")
@click.option("--each", default=60.0, show_default=True, help="CPU seconds of tests a mutant.")
@click.option("--engines", is_flag=True, help="Run the tests of DynamoDB Local, too.")
@click.option("--anew", is_flag=True, help="Forget what earlier runs found.")
def main(  # noqa: PLR0913 - one for each option
    *,
    files: tuple[str, ...],
    sample: int | None,
    seed: int,
    since: str | None,
    budget: float,
    workers: int,
    least: float,
    each: float,
    engines: bool,
    anew: bool,
) -> None:
    """Plant small faults in the code, one at a time; a test must fail for each, or the types.

    FILES are files or folders; without any, all code. Nothing is written into the tree: a
    fault lives in one process. What was found is kept, so a run that was stopped goes on
    when it is started again. Exits with 1 if fewer than --least percent are killed, or if
    tests/mutants.toml names a mutant that does not exist any more.
    """
    if anew:
        RESULTS.unlink(missing_ok=True)
    sources = modules(ROOT, CODE)
    everything = [m for path, source in sources.items() for m in mutants_of(path, source)]
    wanted = wanted_files(sources, files, since)
    mutants = [mutant for mutant in everything if mutant.path in wanted]
    chosen = Random(seed).sample(mutants, min(sample or len(mutants), len(mutants)))
    running = ["dynamodb_local"] if engines else []
    count = Count(chosen, sources, equivalents(KNOWN), running)
    console.print(f"{len(chosen)} of {len(mutants)} mutants, seed {seed}: {count.line()}")
    if count.left:
        until = time.monotonic() + budget * 60
        plan = Plan(
            root=ROOT,
            code=CODE,
            mutants=count.left,
            sources=sources,
            kept=KEPT / f"reached{'-engines' * engines}.json",
            digests=count.digests,
            all_engines=ENGINES,
            workers=workers,
            most_seconds=each,
            refuses=Types(ROOT, CODE, sources, KEPT / "types").refuses,
            is_over=lambda: time.monotonic() > until,
        )
        with DynamoDBLocal() if engines else nullcontext() as engine:
            urls = {name: engine.url for name in running if engine}
            hunt(replace(plan, engines=urls), count)
    count.report()
    if count.names_what_is_gone(everything) or count.share().percent < least:
        sys.exit(1)


def wanted_files(sources: Iterable[str], files: tuple[str, ...], since: str | None) -> set[str]:
    """The files whose mutants are wanted."""
    wanted = set(modules(ROOT, files) if files else sources)
    return wanted if since is None else wanted & changed_since(since)


def changed_since(revision: str) -> set[str]:
    """The files that differ from a revision."""
    command = ["git", "diff", "--name-only", revision, "--"]
    reported = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return set(reported.stdout.splitlines())


def hunt(plan: Plan, count: "Count") -> None:
    """Runs what is left."""
    repeatable()
    hunter = Hunter(plan, console.print, count.add)
    code = pytest.main(options(TESTS), plugins=[hunter, Engines(ENGINES, plan.engines)])
    if code != pytest.ExitCode.OK:
        raise click.ClickException(f"pytest ended with {code!r}")


class Count:
    """What became of the chosen mutants, in earlier runs and in this one."""

    def __init__(
        self,
        chosen: list[Mutant],
        sources: dict[str, str],
        known: Sequence[Known],
        engines: Sequence[str],
    ) -> None:
        self.digests = digests(ROOT, sources, engines)
        self.left: list[Mutant] = []
        self._results = Results(RESULTS)
        self._of_module = {path: digest([source]) for path, source in sources.items()}
        self._known = known
        self._chosen = len(chosen)
        self._outcomes: list[Outcome] = []
        for mutant in chosen:
            earlier = self._results.find(mutant, self._of_module[mutant.path], self.digests)
            if earlier is None:
                self.left.append(mutant)
            else:
                self._outcomes.append(earlier)

    def add(self, outcome: Outcome) -> None:
        """Keeps what was found, and shows what lives."""
        self._outcomes.append(outcome)
        self._results.keep(outcome, self._of_module[outcome.mutant.path], self.digests)
        if not outcome.is_dead:
            self._show(outcome)
        if len(self._outcomes) % 25 == 0:
            console.print(f"[dim]{self.line()}[/]")

    def share(self) -> Share:
        """The share of the killed."""
        return share(self._outcomes, self._known)

    def line(self) -> str:
        """The same in a line."""
        killed = self.share()
        low, high = killed.interval
        refused = sum(outcome.became == REFUSED for outcome in self._outcomes)
        return (
            f"{len(self._outcomes)} of {self._chosen} done, {killed.killed} of {killed.of} killed"
            f" ({refused} by the type checker alone): "
            f"{killed.percent:.1f} % (95 % interval {low:.1f} to {high:.1f})"
        )

    def report(self) -> None:
        """Lists those that live, and counts by package."""
        for outcome in sorted(self._outcomes, key=lambda o: (o.mutant.path, o.mutant.line)):
            if not outcome.is_dead:
                self._show(outcome)
        table = Table(box=None)
        table.add_column("package")
        for name in ("mutants", *STATES, "equivalent", "%"):
            table.add_column(name, justify="right")
        packages: dict[str, list[Outcome]] = {}
        for outcome in self._outcomes:
            packages.setdefault(str(Path(outcome.mutant.path).parent), []).append(outcome)
        for package, some in [*sorted(packages.items()), ("all", self._outcomes)]:
            counted = [o for o in some if o.is_dead or not self._why(o.mutant)]
            states = [sum(o.became == state for o in counted) for state in STATES]
            numbers = [len(some), *states, len(some) - len(counted)]
            percent = f"{share(some, self._known).percent:.1f}"
            table.add_row(package, *map(str, numbers), percent)
        console.print(table)
        console.print(self.line())

    def names_what_is_gone(self, everything: Iterable[Mutant]) -> bool:
        """Tells which of the known mutants can be made no more."""
        mutants = list(everything)
        gone = [known for known in self._known if not any(map(known.names, mutants))]
        for known in gone:
            console.print(f"{KNOWN.name}: no such mutant: {known}", markup=False)
        return bool(gone)

    def _why(self, mutant: Mutant) -> str:
        return next((known.why for known in self._known if known.names(mutant)), "")

    def _show(self, outcome: Outcome) -> None:
        mutant = outcome.mutant
        why = self._why(mutant)
        became = f"equivalent: {why}" if why else f"{outcome.became} ({outcome.tests} tests)"
        console.print(f"\n{mutant.path}:{mutant.line} {mutant.function}: {became}", markup=False)
        for sign, text in (("-", mutant.was), ("+", mutant.becomes)):
            for line in text.splitlines() or [""]:
                console.print(f"  {sign} {line}", markup=False)


if __name__ == "__main__":
    main()

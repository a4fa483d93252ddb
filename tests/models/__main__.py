"""Run the models and print a table: `python -m tests.models [--deep]`. Two models at a time."""

from __future__ import annotations

import sys
import time
from multiprocessing import Pool

from .cases import DEEP, SUITE, verdict

WORKERS = 2
CASES = (*SUITE, *DEEP)
WIDTH = max(len(case.sentence) for case in CASES)


def main(arguments: list[str]) -> int:
    """Run the suite's sizes, with --deep the large ones too; 1 where one differs."""
    chosen = range(len(CASES if "--deep" in arguments else SUITE))
    heads = f"{'model':<10}  {'variant':<{WIDTH}}  {'states':>9}  {'seconds':>7}"
    sys.stdout.write(f"{heads}  verdict\n")
    failed = 0
    # A process ends with its case, because the states of a large one take gigabytes.
    with Pool(WORKERS, maxtasksperchild=1) as pool:
        for line, is_as_expected in pool.imap(_run, chosen):
            sys.stdout.write(line)
            sys.stdout.flush()
            failed |= not is_as_expected
    return int(failed)


def _run(index: int) -> tuple[str, bool]:
    """The line of a case, and whether it has the verdict that it must."""
    case = CASES[index]
    begun = time.perf_counter()
    result = case.model.check()
    seconds = time.perf_counter() - begun
    found = verdict(result)
    is_as_expected = found == case.verdict and result.states >= case.least
    model = type(case.model).__name__.lower()
    note = "" if is_as_expected else f"  EXPECTED {case.verdict}, {case.least} states"
    line = f"{model:<10}  {case.sentence:<{WIDTH}}  {result.states:>9,}"
    return f"{line}  {seconds:>7.1f}  {found}{note}\n", is_as_expected


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

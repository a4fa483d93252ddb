"""Run the models and print a table: `python -m tests.models [--deep]`."""

from __future__ import annotations

import sys
import time

from .cases import DEEP, SUITE, Case, verdict


def main(arguments: list[str]) -> int:
    """Run the suite's sizes, with --deep the large ones too; 1 where one differs."""
    cases = (*SUITE, *DEEP) if "--deep" in arguments else SUITE
    width = max(len(case.sentence) for case in cases)
    heads = f"{'model':<10}  {'variant':<{width}}  {'states':>9}  {'seconds':>7}"
    sys.stdout.write(f"{heads}  verdict\n")
    return max([_run(case, width) for case in cases])


def _run(case: Case, width: int) -> int:
    begun = time.perf_counter()
    result = case.model.check()
    seconds = time.perf_counter() - begun
    found = verdict(result)
    as_expected = found == case.verdict and result.states >= case.least
    model = type(case.model).__name__.lower()
    note = "" if as_expected else f"  EXPECTED {case.verdict}, {case.least} states"
    line = f"{model:<10}  {case.sentence:<{width}}  {result.states:>9,}"
    sys.stdout.write(f"{line}  {seconds:>7.1f}  {found}{note}\n")
    sys.stdout.flush()
    return 0 if as_expected else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

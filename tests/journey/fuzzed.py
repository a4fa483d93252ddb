"""A recorded run: python -m tests.journey.fuzzed [--examples N] [--seed N].

Schemathesis, in all its phases, on the deployed package: every operation of the description, with the
token of a client that may ask for it.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console

from chalicelib.leftfold.access.callers import granted
from chalicelib.leftfold.http.openapi import SECURITY
from tools.bank.run import Local, local
from tools.bootstrap import STATE
from tools.signing_in import MACHINE, OPERATOR, token

STACK = "leftfold-fuzzed"
# Each client, and how the operations are chosen that it may ask for.
CLIENTS = ((MACHINE, "--exclude-by"), (OPERATOR, "--include-by"))


def fuzz(
    running: Local, client: str, operations: str, options: Sequence[str]
) -> subprocess.CompletedProcess[str]:
    """A run of schemathesis against a deployment."""
    url = running.deployed.url.rstrip("/")
    access = token(running.deployed, running.cloud.endpoint_url, client)
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        f"--config-file={Path(__file__).with_name('schemathesis.toml')}",
        "run",
        f"{url}/openapi.json",
        f"--url={url}",
        f"--header=Authorization: Bearer {access}",
        f"{operations}=/security/0/{SECURITY}/0 == {granted('operate')}",
        # A function that was killed, and starts again on a busy machine, takes a while.
        "--request-timeout=120",
        "--workers=1",
        "--no-color",
        *options,
    ]
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": str(Path(__file__).with_name("hooks.py"))}
    return subprocess.run(
        command, check=False, capture_output=True, text=True, cwd=STATE, env=environment
    )


@click.command()
@click.option("--examples", default=20, show_default=True, help="Of each operation and phase.")
@click.option("--seed", default=1, show_default=True)
@click.option("--phases", default="examples,coverage,fuzzing,stateful", show_default=True)
def main(*, examples: int, seed: int, phases: str) -> None:
    """Let schemathesis ask everything; exit 1 if it finds anything."""
    console, failed = Console(), False
    options = (f"--max-examples={examples}", f"--phases={phases}", f"--seed={seed}")
    with local(console.print, stack=STACK) as running:
        for client, operations in CLIENTS:
            done = fuzz(running, client, operations, options)
            console.print(done.stdout + done.stderr, markup=False, soft_wrap=True)
            failed |= done.returncode != 0
    raise SystemExit(1 if failed else 0)


if __name__ == "__main__":
    main()

"""A recorded run: python -m tests.functions. What each function may do on AWS, and what it did."""

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from tests.contracts import moto
from tests.functions.test_grants import (
    EVENT_FUNCTIONS,
    IDLE,
    NOT_THE_CODES,
    SERVING,
    grants,
    is_granted,
    worked,
)


def main() -> None:
    """Every function does all its kinds of work on moto; prints grants against calls."""
    with moto.in_process():
        made = worked()
    table = Table(
        "function",
        "grants",
        "of them called",
        "by Lambda itself",
        "seldom",
        "calls not granted",
        box=SIMPLE_HEAD,
    )
    for function in (*SERVING, *EVENT_FUNCTIONS):
        granted, calls = grants(function), made.calls[function]
        others = {grant for grant in granted if grant[0].startswith(NOT_THE_CODES)}
        called = {one for one in granted - others if any(is_granted(call, {one}) for call in calls)}
        refused = [call for call in calls if not is_granted(call, granted)]
        name = f"{function} *" if function in IDLE else function
        numbers = (granted, called, others, granted - others - called, refused)
        table.add_row(name, *(str(len(each)) for each in numbers))
    console = Console()
    console.print(table)
    console.print("* has no event here, and may do what a reader of its kind may")


if __name__ == "__main__":
    main()

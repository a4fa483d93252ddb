"""Rich's tables as text."""

from io import StringIO

from rich.console import Console
from rich.table import Table


def shown_as_text(table: Table) -> str:
    """What a wide terminal without colours shows."""
    out = StringIO()
    Console(file=out, width=200).print(table)
    return out.getvalue()

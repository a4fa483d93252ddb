"""List prices of AWS, from infra/prices.toml."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from tools.bootstrap import ROOT

PRICES = Path("infra/prices.toml")


class Price(NamedTuple):
    """A list price in dollars of one *unit*: the *vendor*'s page, and where it was *read*."""

    price: float
    unit: str
    vendor: str
    read: str


def prices(root: Path = ROOT) -> Mapping[str, Price]:
    """The list prices by name."""
    listed = tomllib.loads((root / PRICES).read_text())
    return {name: Price(**entry) for name, entry in listed.items()}


def money(dollars: float) -> str:
    """Dollars with cents."""
    return f"${dollars:,.2f}"

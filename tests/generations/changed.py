"""The tree of a team that changes the streams of its live system: a copy of this one, with transforms."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from tests.tree import Tree, copied
from tools.bootstrap import STATE

Change = Literal["identity", "split", "merge"]
CHANGES: tuple[Change, ...] = ("identity", "split", "merge")

CARD = '''"""Credit cards, which were accounts before."""

from chalicelib.bank.transforms import card, cards_apart
from chalicelib.leftfold.kernel import Context

CARD = Context(
    aggregates=(card,), http="chalicelib.bank.card.http", transforms=(cards_apart(),)
)
'''
CARD_ROUTES = '''"""Bookings on credit cards."""

from marshmallow import fields

from chalicelib.bank.account.http.accounts import BookingBody, bookable, credit, debit
from chalicelib.bank.http.event_bodies import body_json
from chalicelib.bank.transforms import card
from chalicelib.leftfold.http.commands import Takes, command_routes
from chalicelib.leftfold.http.fields import Shown, key
from chalicelib.leftfold.http.problems import Kind

__all__ = ["bodies", "problems", "routes"]

bodies = {"card": body_json}
# What a card refuses with, the accounts' context has.
problems: dict[str, Kind] = {}


class CardChanged(Shown):
    """A command's answer: the version that it made."""

    card_id = key(required=True)
    version = fields.Integer(required=True)


routes = command_routes(
    card,
    "/cards",
    CardChanged(),
    {
        "credits": Takes("Credit a card", BookingBody(), credit, bookable),
        "debits": Takes("Debit a card", BookingBody(), debit, bookable),
    },
)
'''


def tree_of(change: Change, keys: Sequence[str], root: Path) -> Tree:
    """The later generation's tree at *root*: every second account merged into the one before it, or
    credit cards split off.
    """
    tree = copied(root)
    for part in ("console", "engines", "run"):
        if (STATE / part).exists():
            (tree.root / ".leftfold" / part).symlink_to(STATE / part)
    if (STATE / "build").exists():
        shutil.copytree(STATE / "build", tree.root / ".leftfold" / "build", symlinks=True)
    tree.write("chalicelib/bank/transforms.py", tree.read("tools/bank/transforms.py"))
    if change == "split":
        tree.write("chalicelib/bank/card/__init__.py", CARD)
        tree.write("chalicelib/bank/card/http.py", CARD_ROUTES)
        # The sum of money holds over a change only if it knows the events by both of their names.
        names = '"account-credited": amount, "account-debited": -amount'
        tree.replace(
            "chalicelib/bank/account/invariants.py",
            names,
            f"{names}, {names.replace('account', 'card')}",
        )
        contexts = "chalicelib/bank/contexts.py"
        tree.replace(contexts, "ACCOUNT, TRANSFER", "ACCOUNT, CARD, TRANSFER")
        tree.replace(
            contexts,
            "from chalicelib.bank.ledger",
            "from chalicelib.bank.card import CARD\nfrom chalicelib.bank.ledger",
        )
    if change == "merge":
        account = "chalicelib/bank/account/__init__.py"
        tree.replace(
            account,
            "    invariants=",
            f"    transforms=(accounts_merged({merged(keys)!r}),),\n    invariants=",
        )
        tree.replace(
            account,
            "from chalicelib.leftfold.kernel",
            "from chalicelib.bank.transforms import accounts_merged\nfrom chalicelib.leftfold.kernel",
        )
    return tree


def merged(keys: Sequence[str]) -> dict[str, str]:
    """Every second account, with the one that it goes into."""
    return dict(zip(keys[1::2], keys[::2], strict=False))


def environment_of(tree: Tree) -> dict[str, str]:
    """The environment of a command that runs the tree's code."""
    return {**os.environ, "PYTHONPATH": str(tree.root)}

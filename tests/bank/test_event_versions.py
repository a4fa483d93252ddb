"""The compatibility report on edited copies of a context: what breaks, and what does not."""

import json
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from chalicelib.bank.account import domain as accounts
from chalicelib.bank.account.views import balances
from chalicelib.leftfold.kernel import Context, Domain, Row
from tests.bank.written_events import fixtures
from tools.bootstrap import ROOT
from tools.compatibility import breaks, report
from tools.schemas import (
    FIXTURES,
    SCHEMAS,
    EventVersion,
    Released,
    SchemaError,
    current,
    hashes_of,
    release,
    text_of,
    write,
)

SOURCE = Path(accounts.__file__).read_text()
TABLE = '        "account-closed": Closed,\n    }\n)'
UNTOUCHED = Domain((Context(aggregates=(accounts.account,)),))


def with_upcasts(upcasts: str) -> tuple[str, str]:
    """An edit of the table of events."""
    return TABLE, TABLE.removesuffix(")") + f"    , upcasts={{{upcasts}}}\n)"


OPENED = (
    "    owner: str = field(metadata=HOLDER)\n    currency: str\n    kind: Kind\n"
    "    credit_limit: int\n    email"
)
ADDED = OPENED.replace("    email", "    branch: str\n    email")

# The last field of `Opened`, which `Open` has not before a class of its own.
LAST = "    credit_limit: int\n    email: str | None = field(default=None, metadata=HOLDER)\n"
OPERATION = "    operation: str | None = None\n"
BOOKED = """\
    purpose: str | None = field(default=None, metadata=HOLDER)
    counterparty_bank: str | None = None
    counterparty_account: str | None = None
    transfer"""

WITHOUT_BRANCH = (
    '("account-opened", 2): lambda body: {k: v for k, v in body.items() if k != "branch"}'
)

# Each edit of the rules, and what the report says of it.
BREAKS = {
    "the stored name is edited": (
        [('"account-frozen": Frozen', '"account-iced": Frozen')],
        "account/account-frozen/v1: name gone: if it is called 'account-iced' now, add an upcast",
    ),
    "the event is taken from the table": (
        [('        "account-frozen": Frozen,\n', "")],
        "account/account-frozen/v1: name gone",
    ),
    "a field is added": ([(OPENED, ADDED)], "body changed: branch is new"),
    "a field with a default is added": (
        [
            (
                "    transfer: str | None = None\n",
                "    transfer: str | None = None\n    fee: int = 0\n",
            )
        ],
        "account/account-credited/v1: body changed: fee is new",
    ),
    "a field is taken away": (
        [("    counterparty_account: str | None = None\n    transfer", "    transfer")],
        "body changed: counterparty_account is gone",
    ),
    "a field is renamed": (
        [("    bookings: int\n    closing_balance", "    count: int\n    closing_balance")],
        "body changed: bookings is gone; count is new",
    ),
    "a field has another type": (
        [("    bookings: int\n    closing_balance", "    bookings: str\n    closing_balance")],
        "body changed: bookings is another type or has other values",
    ),
    "a value is allowed no more": (
        [('Kind = Literal["current", "credit-card"]', 'Kind = Literal["current"]')],
        "account/account-opened/v1: body changed: kind is another type or has other values",
    ),
    "a field loses its default": (
        [
            (OPERATION + BOOKED, OPERATION.replace(" = None", "") + BOOKED),
        ],
        "body changed: operation has a default in one of them only",
    ),
    "the state is carried forward no more": (
        [("carries=(BalanceBroughtForward,)", "carries=()")],
        "balance-brought-forward/v1: body changed: it carries the state forward",
    ),
    "an upcast makes a body that does not fit": (
        [with_upcasts('("account-opened", 1): lambda body: {"name": body["owner"]}')],
        "account/account-opened/v1: does not decode: TypeError",
    ),
    "an upcast makes a value of another type": (
        [with_upcasts('("account-opened", 1): lambda body: {**body, "credit_limit": "none"}')],
        "account/account-opened/v1: does not decode: TypeError: Opened.credit_limit",
    ),
    "a carry-forward event is read as another": (
        [
            with_upcasts(
                '("balance-brought-forward", 1): lambda _: (("account-frozen", 1, {}, {}),)'
            )
        ],
        "account/balance-brought-forward/v1: carries no more",
    ),
    "the fold fails on it": (
        [('replace(account, status="frozen")', 'replace(account, state="frozen")')],
        "account/account-frozen/v1: does not fold: ",
    ),
}
# What may be done about events.
KEEPS = {
    "a field is added, with an upcast": [
        (OPENED, ADDED),
        with_upcasts('("account-opened", 1): lambda body: {**body, "branch": "unknown"}'),
    ],
    "a field with a default is added, with an upcast": [
        (LAST, f"{LAST}    branch: str | None = None\n"),
        with_upcasts('("account-opened", 1): lambda body: body'),
    ],
    "an event is renamed, with an upcast": [
        ('"account-frozen": Frozen', '"account-iced": Frozen'),
        with_upcasts('("account-frozen", 1): lambda body: (("account-iced", 1, body, {}),)'),
    ],
    "an event says nothing any more": [
        ('        "account-unfrozen": Unfrozen,\n', ""),
        with_upcasts('("account-unfrozen", 1): lambda body: ()'),
    ],
    "docstrings and the names of classes are other ones": [
        ("The balance grew by", "More money by"),
        ("class Frozen:", "class Iced:"),
        ('": Frozen,', '": Iced,'),
    ],
}


def edited(edits: list[tuple[str, str]]) -> Domain:
    """The accounts with edited rules, without their views."""
    text = SOURCE
    for old, new in edits:
        assert old in text, old
        text = text.replace(old, new, 1)
    if "class Iced" in text:
        text = text.replace("Frozen()", "Iced()").replace("    | Frozen\n", "    | Iced\n")
    module = ModuleType("edited_accounts")
    sys.modules[module.__name__] = module
    try:
        exec(compile(text, "edited_accounts.py", "exec"), vars(module))  # noqa: S102 - a copy of our own code
        return Domain((Context(aggregates=(module.account,)),))
    finally:
        del sys.modules[module.__name__]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The released accounts, in files that a test may edit."""
    for folder in (SCHEMAS, FIXTURES):
        shutil.copytree(ROOT / folder / "account", tmp_path / folder / "account")
    events = {event: hashes_of(event, tmp_path) for event in current(UNTOUCHED)}
    Released("1.0.0", events).write(tmp_path)
    return tmp_path


def test_the_accounts_as_they_are_have_no_findings(root: Path) -> None:
    assert report(UNTOUCHED, root) == []
    assert report(edited([]), root) == []


@pytest.mark.parametrize("edit", BREAKS)
def test_the_report_fails_if(root: Path, edit: str) -> None:
    edits, said = BREAKS[edit]
    assert any(said in line for line in breaks(report(edited(edits), root))), said


@pytest.mark.parametrize("edit", KEEPS)
def test_the_report_does_not_fail_if(root: Path, edit: str) -> None:
    assert breaks(report(edited(KEEPS[edit]), root)) == []


def test_a_version_that_was_released_and_then_taken_back_is_a_break(root: Path) -> None:
    second = edited(KEEPS["a field is added, with an upcast"])
    opened = EventVersion("account", "account-opened", 2)
    with pytest.raises(SchemaError, match=r"tests/events/account/account-opened\.v2\.json"):
        release("2.0.0", second, root)
    first = json.loads((root / FIXTURES / "account/account-opened.v1.json").read_text())
    body = first["event"]["body"] | {"branch": "Brno"}
    fixture = {"earlier": [], "event": {"name": opened.name, "version": 2, "body": body}}
    (root / FIXTURES / opened.file).write_text(text_of(fixture))
    assert release("2.0.0", second, root) == 1
    assert breaks(report(second, root)) == []
    found = breaks(report(UNTOUCHED, root))
    assert any(
        "account-opened/v2: version gone: the code reads versions up to 1" in f for f in found
    )
    assert any("account-opened/v2: does not decode: UnknownEvent" in f for f in found)
    # Code that reads ahead what it does not write any more may take its place.
    back = TABLE.removesuffix(")") + f"    , ahead={{{WITHOUT_BRANCH}}}\n)"
    assert breaks(report(edited([(TABLE, back)]), root)) == []


@pytest.mark.parametrize("folder", [SCHEMAS, FIXTURES])
def test_files_of_a_release_are_neither_edited_nor_lost(root: Path, folder: Path) -> None:
    path = root / folder / "account/account-frozen.v1.json"
    path.write_text(f"{path.read_text()} ")
    assert any("edited after its release" in line for line in breaks(report(UNTOUCHED, root)))
    path.unlink()
    assert any("lost: restore" in line for line in breaks(report(UNTOUCHED, root)))


def test_a_category_that_is_gone_is_a_break(root: Path) -> None:
    found = breaks(report(Domain(()), root))
    assert "account/account-opened/v1: category gone: its streams have no rules" in found


def test_a_view_that_fails_on_an_old_event_is_a_break(root: Path) -> None:
    def fold(_row: Row | None, _recorded: Any, _key: str) -> Row:
        raise LookupError("no such thing")

    view = replace(balances, fold=fold)
    domain = Domain((Context(aggregates=(accounts.account,), views=(view,)),))
    found = breaks(report(domain, root))
    assert any("does not project: balances: LookupError in test_event" in line for line in found)


def test_only_what_is_not_released_is_written_anew(root: Path) -> None:
    assert write(UNTOUCHED, root) == []
    changed = edited(BREAKS["a field is added"][0])
    assert write(changed, root) == []
    second = edited(KEEPS["a field is added, with an upcast"])
    assert write(second, root) == [SCHEMAS / "account/account-opened.v2.json"]
    assert write(second, root) == []


def test_every_event_of_the_bank_has_a_history_that_leads_to_it() -> None:
    assert {event for event, _ in fixtures()} >= set(_of_the_bank())


def _of_the_bank() -> Iterator[EventVersion]:
    from chalicelib.domain import DOMAIN

    yield from current(DOMAIN)


def test_a_view_or_policy_that_is_renamed_says_what_it_was_called(root: Path) -> None:
    called = Domain((Context(aggregates=(accounts.account,), views=(balances,)),))
    release("1.1.0", called, root)
    renamed = replace(balances, name="standings")
    without = breaks(report(Domain((Context((accounts.account,), (renamed,)),)), root))
    said = "balances: reader gone: a view or policy that only has another name says stored_as="
    assert [line.partition('"')[0] for line in without] == [said]
    stored = replace(renamed, stored_as="balances")
    assert breaks(report(Domain((Context((accounts.account,), (stored,)),)), root)) == []

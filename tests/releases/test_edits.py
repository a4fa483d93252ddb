"""The two releases of the recorded run: what they write and read of each other, on copies of the rules."""

import sys
from types import ModuleType
from typing import Any

import pytest

from chalicelib.leftfold.kernel import Context, Domain, StoredEvent
from chalicelib.leftfold.store.applications import Known
from tests.releases.edits import FIRST, RELEASES, RULES, SECOND, STAGES, VIEWS, Release
from tools.applications import application, check_events
from tools.bootstrap import ROOT
from tools.cloud import DeployError

TEXT = {path: (ROOT / path).read_text() for path in (RULES, VIEWS, STAGES)}


def rules(text: str, name: str) -> Any:
    """The rules of accounts, made of a text."""
    module = ModuleType(name)
    sys.modules[name] = module
    try:
        exec(compile(text, f"{name}.py", "exec"), vars(module))  # noqa: S102 - a copy of our own code
    finally:
        del sys.modules[name]
    return module


MADE = {release.name: rules(release.apply(TEXT)[RULES], release.name) for release in RELEASES}
NOW = rules(TEXT[RULES], "now")


def registered(module: Any, name: str) -> Any:
    """What the register knows of an application with these rules."""
    return application(name, {}, Domain((Context(aggregates=(module.account,)),)))


def written(release: Release) -> StoredEvent:
    """A credit as a release writes it."""
    module = MADE[release.name]
    opened = module.Account("open", "Ada", "CZK")
    booking = module.Booking("credit", 100, "CZK", "2026-01-01")
    (event,) = module.decide(module.Book((booking,)), opened)
    stored: StoredEvent = module.codec.encode(event)
    return stored


def test_the_first_release_reads_what_the_second_writes_and_writes_the_old_version() -> None:
    assert (written(FIRST).version, written(SECOND).version) == (1, 2)
    assert written(SECOND).body["channel"] == "two"
    for release in RELEASES:
        codec = MADE[release.name].codec
        for stored in map(written, RELEASES):
            (event,) = codec.decode(stored)
            assert event.amount == 100


@pytest.mark.parametrize("release", RELEASES, ids=lambda release: release.name)
def test_both_have_another_rule(release: Release) -> None:
    module = MADE[release.name]
    account = module.Account("open", "Ada", "CZK", credit_limit=10**6)
    for amount, refused in ((release.limit, False), (release.limit + 1, True)):
        book = module.Book((module.Booking("debit", amount, "CZK", "2026-01-01"),))
        if refused:
            with pytest.raises(module.Refused):
                module.decide(book, account)
        else:
            assert len(module.decide(book, account)) == 1


def test_the_second_may_stand_beside_the_first_and_not_beside_the_release_before() -> None:
    now, first, second = (registered(m, n) for n, m in (("now", NOW), *MADE.items()))
    check_events(Known({"now": now}, "now"), first)
    check_events(Known({"first": first}, "first"), second)
    with pytest.raises(DeployError, match="now cannot read what this release writes: account/"):
        check_events(Known({"now": now, "first": first}, "now"), second)

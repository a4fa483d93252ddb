"""Whatever fails, with whatever it has in hand: no log, metric, answer, parked stream or ledger says it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from chalicelib import functions
from chalicelib.leftfold.archive.epochs import DamagedArchiveError
from chalicelib.leftfold.commands.loading import BrokenStreamError
from chalicelib.leftfold.commands.owning import NotOwnedError
from chalicelib.leftfold.errors import told, trace
from chalicelib.leftfold.functions import FunctionFailedError
from chalicelib.leftfold.http.log import log
from chalicelib.leftfold.kernel import Policy, UnknownFormatError
from chalicelib.leftfold.projection.filling import FillTooOldError, NotDoneError
from chalicelib.leftfold.projection.fold import PoisonError
from chalicelib.leftfold.projection.indexing import reason_of
from chalicelib.leftfold.projection.runner import OvertakenError
from chalicelib.leftfold.store.ports import CallRefusedError, Unavailable
from chalicelib.leftfold.wiring import process
from tests.http.conftest import Bank

# Her name is in her account, in what she pays for, in what is asked, and in each exception.
CANARY = "Canary"
CREDIT = {"amount": {"amount": "1.00", "currency": "CZK"}, "valueDate": "2026-01-01"}
READERS = ("balances", "bookings", "transfers", "totals", "debit_source", "notify")
ENGINES_OWN = ("deadlines", "forget")


def errors() -> Iterator[Exception]:
    """What may be raised anywhere, by the code of a context, by a library, by AWS."""
    yield RuntimeError(f"no such {CANARY}")
    yield TypeError(f"{CANARY!r} is not int")
    yield KeyError(CANARY)
    yield Unavailable(f"no answer for {CANARY}")
    yield CallRefusedError("ValidationException", f"{CANARY} is too long")
    yield ExceptionGroup(f"all of {CANARY}", [ValueError(CANARY)])


class Failing:
    """A part whose every call fails with the error in hand."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __getattr__(self, _name: str) -> Any:
        return self._fail

    def _fail(self, *_: Any, **__: Any) -> Any:
        raise self._error from ValueError(f"about {CANARY}")


def code_fails(error: Exception) -> None:
    """The views and the policies fail."""
    current, fail = process.services(), Failing(error)._fail
    readers: Any = vars(current)
    readers["views"] = {n: replace(v, fold=fail) for n, v in current.domain.views.items()}
    policies = current.domain.policies.items()
    readers["policies"] = {n: replace(p, react=fail) for n, p in policies if isinstance(p, Policy)}


def part_fails(name: str) -> Callable[[Exception], None]:
    """A part of the services fails."""

    def plant(error: Exception) -> None:
        current: Any = vars(process.services())
        failing: Any = Failing(error)
        if name == "rows":
            current["rows"] = current["search_rows"] = lambda _view: failing
        elif name == "vault":
            current["handler"] = replace(current["handler"], vault=failing)
            current["vault"] = failing
        elif name == "events":
            current["handler"] = replace(current["handler"], events=failing)
            current["events"] = failing
        else:
            current[name] = failing

    return plant


FAULTS: Mapping[str, Callable[[Exception], None]] = {
    "code": code_fails,
    **{name: part_fails(name) for name in ("rows", "vault", "events", "log", "mailer", "effects")},
}


@pytest.mark.parametrize("fault", FAULTS)
def test_no_output_names_her(fault: str, capsys: pytest.CaptureFixture[str]) -> None:
    before = process._services
    lines: list[str] = []
    heard = SimpleNamespace(level=0, handle=lambda record: lines.append(record.getMessage()))
    log.addHandler(heard)  # type: ignore[arg-type]
    said: list[str] = []
    try:
        for error in errors():
            said += all_said(FAULTS[fault], error)
    finally:
        log.removeHandler(heard)  # type: ignore[arg-type]
        process._services = before
    shown = capsys.readouterr()
    said += [*lines, shown.out, shown.err]
    assert len(lines) > len(list(errors()))
    assert [text for text in said if CANARY in text] == []


def all_said(plant: Callable[[Exception], None], error: Exception) -> list[str]:
    """All that a bank says while one thing fails in it: answers, failures, what it stores."""
    bank = Bank()
    opening = {"accountId": "a", "owner": CANARY, "currency": "CZK", "kind": "current"}
    assert bank.post("/accounts", opening | {"email": f"{CANARY}@example.com"}).status == 201
    bank.open("b")
    assert bank.post("/accounts/a/credits", CREDIT | {"purpose": CANARY}).status == 200
    order = {"transferId": "t", "source": "a", "target": "b", "valueDate": "2026-01-01"}
    money = {"amount": {"amount": "0.50", "currency": "CZK"}, "purpose": CANARY}
    assert bank.post("/transfers", order | money | {"notify": f"{CANARY}@x.cz"}).status == 202
    bank.act()
    bank.post("/accounts/a/statements", {"through": "2026-01-01"})
    bank.post("/transfers", order | money | {"transferId": "u"})
    bank.post("/subjects/account:b/erasure", {"case": "7"})
    bank.clock.forward(minutes=30)
    plant(error)
    answers = [
        bank.post("/accounts/a/credits", CREDIT | {"purpose": CANARY}),
        bank.post("/accounts", opening | {"accountId": "c", "kind": CANARY}),
        bank.post("/transfers", order | money | {"transferId": "v"}),
        bank.get(f"/accounts/a/bookings?purpose={CANARY}"),
        bank.get(f"/accounts?owner={CANARY}"),
        bank.get("/accounts/a/events"),
        bank.get("/log"),
        bank.get("/subjects/account:b/data"),
    ]
    said = [answer.text for answer in answers if answer.status >= 500]
    for name in (*READERS, *ENGINES_OWN):
        try:
            getattr(functions, name)(
                {}, SimpleNamespace(get_remaining_time_in_millis=lambda: 10**6)
            )
        except FunctionFailedError as failure:
            said.append(str(failure))
    said += [str(parked) for parked in bank.parking.all()]
    said += [str(effect) for effect in bank.effects.stored.values()]
    return said


def test_a_trace_says_where_and_what_kind_and_the_code_of_a_service() -> None:
    with pytest.raises(CallRefusedError) as raised:
        Failing(CallRefusedError("AccessDenied", CANARY)).call()
    first, second, *frames, last = trace(raised.value).splitlines()
    assert (first, second, last) == (
        "ValueError",
        "which led to",
        "CallRefusedError (AccessDenied)",
    )
    assert f"{__file__}:" in frames[0]
    where = told(raised.value)
    assert where.startswith("CallRefusedError (AccessDenied) in test_nothing_is_told.py, line")


def test_an_exception_that_has_no_data_of_anybody_says_what_it_has_to_say() -> None:
    newer = UnknownFormatError("a row of balances is of format 2; this engine knows 1")
    assert told(newer) == str(newer)
    assert trace(newer) == f"UnknownFormatError: {newer}"


@pytest.mark.parametrize(
    ("type_", "reason", "said"),
    [
        (
            "mapper_parsing_exception",
            f"failed to parse field [valueDate] of type [date]. Preview of field's value: '{CANARY}'",
            "mapper_parsing_exception: failed to parse field [valueDate] of type [date]",
        ),
        (
            "illegal_argument_exception",
            f"Document contains at least one immense term in field=\"owner\": '{CANARY}'",
            "illegal_argument_exception",
        ),
    ],
)
def test_a_row_that_is_rejected_is_rejected_without_its_value(
    type_: str, reason: str, said: str
) -> None:
    assert reason_of({"type": type_, "reason": reason}) == said


@pytest.mark.parametrize(
    "kind",
    [
        BrokenStreamError,
        DamagedArchiveError,
        FillTooOldError,
        NotDoneError,
        NotOwnedError,
        OvertakenError,
        PoisonError,
        UnknownFormatError,
    ],
)
def test_an_error_of_the_engine_that_has_no_words_of_people_says_why(kind: type[Exception]) -> None:
    """Operators act on these: a line that only says where the code failed does not help them."""
    assert told(kind.__new__(kind, "why")) == "why"

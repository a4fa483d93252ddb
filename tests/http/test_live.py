"""A client waits for a document or a search to change, and is told at once."""

from collections.abc import Callable

import pytest

from tests.http.conftest import Bank
from tests.http.samples import booking, czk


def meanwhile(bank: Bank, monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Lets *act* happen at the third wait."""
    waits: list[float] = []

    def then(seconds: float) -> None:
        waits.append(seconds)
        bank.waited += seconds
        if len(waits) == 3:
            act()
            bank.settle()

    monkeypatch.setattr(bank, "_wait", then)
    bank.use(bank.events)


def test_a_document_comes_when_it_has_changed(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    bank.open()
    bank.settle()
    known = bank.get("/accounts/a").headers["ETag"]
    meanwhile(bank, monkeypatch, lambda: bank.post("/accounts/a/credits", booking("7.00")))
    answer = bank.get("/live/accounts/a?wait=20", if_none_match=known)
    assert (answer.status, answer.json["balance"]) == (200, czk("7.00"))
    assert 0 < bank.waited < 20


def test_a_search_comes_when_it_finds_another_thing(
    bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    bank.open()
    bank.settle()
    first = bank.get("/live/bookings?account=a")
    assert (first.status, first.json["total"]) == (200, 0)
    meanwhile(bank, monkeypatch, lambda: bank.post("/accounts/a/credits", booking("7.00")))
    second = bank.get("/live/bookings?account=a&wait=20", if_none_match=first.headers["ETag"])
    assert (second.status, second.json["total"]) == (200, 1)
    assert second.headers["ETag"] != first.headers["ETag"]


def test_what_does_not_change_is_304_when_the_time_is_over(bank: Bank) -> None:
    bank.open()
    bank.settle()
    known = bank.get("/live/accounts/a").headers["ETag"]
    answer = bank.get("/live/accounts/a?wait=20", if_none_match=f'"x", {known}')
    assert (answer.status, answer.text, answer.headers["ETag"]) == (304, "", known)
    assert round(bank.waited, 6) == 20
    assert bank.get("/live/accounts/a", if_none_match=known).status == 304


def test_who_has_nothing_yet_waits_for_nothing(bank: Bank) -> None:
    bank.open()
    bank.settle()
    assert bank.get("/live/accounts/a?wait=20").status == 200
    assert bank.waited == 0


def test_a_problem_is_an_answer_at_once(bank: Bank) -> None:
    answer = bank.get("/live/accounts/nobody?wait=20", if_none_match='"1"')
    assert (answer.status, answer.code) == (404, "account-missing")


@pytest.mark.parametrize("wait", ["21", "-1", "x", ""])
def test_a_wait_out_of_bounds_is_refused(bank: Bank, wait: str) -> None:
    answer = bank.get(f"/live/accounts?wait={wait}")
    assert (answer.status, answer.parameters) == (400, ["wait"])


def test_parameters_and_headers_are_checked_as_those_of_the_query(bank: Bank) -> None:
    assert bank.get("/live/accounts?limit=0").parameters == ["limit"]
    assert bank.get("/live/accounts", if_none_match="1").code == "invalid-header"


# What everybody may ask has no twin: strangers would wait in all the room that the twins have.
NO_TWINS = (
    *("/live/nothing", "/live/log", "/live/health", "/live/openapi.json"),
    # Each answer is recorded, or asks every dependency.
    *("/live/subjects/account:a/data", "/live/health/dependencies"),
)


@pytest.mark.parametrize("path", [*NO_TWINS, "/live/accounts/a/close"])
def test_what_is_no_query_has_no_twin(bank: Bank, path: str) -> None:
    assert bank.get(path).code == "no-such-route"


def test_a_twin_takes_no_command(bank: Bank) -> None:
    answer = bank.post("/live/accounts/a/credits", booking("7.00"))
    assert (answer.status, answer.code) == (405, "method-not-allowed")

"""The bank's app over memory."""

import pytest

from chalicelib.leftfold.kernel import Commit
from tests.application import Application
from tests.http.samples import opening


class Bank(Application):
    """The app of a tree whose domain is the bank."""

    def open(self, key: str = "a", currency: str = "CZK", limit: str | None = None) -> None:
        """Opens an account."""
        body = opening(accountId=key, currency=currency)
        if limit is not None:
            body["creditLimit"] = {"amount": limit, "currency": currency}
        assert self.post("/accounts", body).status == 201

    def stream(self, key: str = "a") -> list[Commit]:
        """An account's commits."""
        return list(self.events.range(f"main/account-{key}", 1, 10**6))


@pytest.fixture
def bank() -> Bank:
    return Bank()

"""Problems (RFC 9457): every way a request can fail, by a code that never changes."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from chalicelib.bank.fields import money
from chalicelib.bank.money import Money
from chalicelib.leftfold.kernel import to_json

MEDIA_TYPE = "application/problem+json"
ERRORS_SHOWN = 20


class Kind(NamedTuple):
    """What all problems of one code share; *retry_after* is in seconds."""

    status: int
    title: str
    retry_after: int | None = None


# Clients branch on the codes: add to this table, never rename.
PROBLEMS: dict[str, Kind] = {
    # the request
    "malformed-body": Kind(400, "The body is not JSON as RFC 8259 and we have it"),
    "invalid-body": Kind(400, "The body has fields that are missing, unknown or wrong"),
    "invalid-query": Kind(400, "A query parameter is unknown, repeated or wrong"),
    "invalid-header": Kind(400, "A header has a value that it cannot have"),
    "key-required": Kind(400, "This request needs an Idempotency-Key"),
    "bad-cursor": Kind(400, "The cursor is not one of this query's"),
    "no-such-route": Kind(404, "There is nothing at this path"),
    "method-not-allowed": Kind(405, "This path does not take this method"),
    "body-too-large": Kind(413, "The body is too large"),
    "unsupported-media-type": Kind(415, "The body must be application/json"),
    # commands
    "version-mismatch": Kind(412, "The aggregate is at another version than If-Match"),
    "commit-too-large": Kind(413, "The command's events are too large for one commit"),
    "key-reused": Kind(422, "The Idempotency-Key was used for another command"),
    "contention": Kind(503, "Other commands were faster; nothing was written", 1),
    "outcome-unknown": Kind(503, "The command may have taken effect", 1),
    # queries
    "unavailable": Kind(503, "The storage did not answer", 1),
    "view-behind": Kind(503, "The view has not reached minVersion yet", 1),
    "view-parked": Kind(503, "The view waits for an operator", 60),
    "unhealthy": Kind(503, "Something that the service depends on is not well", 5),
    # accounts
    "account-missing": Kind(404, "There is no such account"),
    "account-exists": Kind(409, "There is an account of this id already"),
    "account-frozen": Kind(409, "The account is frozen"),
    "account-closed": Kind(409, "The account is closed"),
    "account-not-frozen": Kind(409, "The account is not frozen"),
    "statement-missing": Kind(404, "The account has no such statement"),
    "period-closed": Kind(409, "The period was closed with an earlier statement"),
    "account-not-empty": Kind(409, "The account's balance is not zero"),
    "currency-mismatch": Kind(409, "Money stays in the account's currency"),
    "insufficient-funds": Kind(409, "The debit goes beyond balance and credit limit"),
    "balance-out-of-range": Kind(409, "The balance would be too large to keep"),
    # transfers
    "transfer-missing": Kind(404, "There is no such transfer"),
    "transfer-exists": Kind(409, "There is a transfer of this id already"),
    "same-account": Kind(409, "A transfer needs two accounts"),
    "transfer-under-way": Kind(409, "The money has left the source already"),
    "transfer-ended": Kind(409, "The transfer has ended"),
    # ledgers
    "ledger-missing": Kind(404, "There is no such ledger"),
    "entry-missing": Kind(404, "There is no such entry in this ledger"),
    "ledger-exists": Kind(409, "There is a ledger of this id already"),
    "account-type-differs": Kind(409, "The ledger has this account as one of another type"),
    "commodity-differs": Kind(409, "The commodity has another number of decimals"),
    "unknown-commodity": Kind(409, "The commodity is neither of ISO 4217 nor of the ledger"),
    "chart-full": Kind(409, "The chart of accounts would be too large to carry forward"),
    "year-exists": Kind(409, "The year was opened already"),
    "year-not-next": Kind(409, "Years are opened one after the other"),
    "year-not-open": Kind(409, "The year is not open"),
    "year-closing": Kind(409, "The year is being closed"),
    "year-closed": Kind(409, "The year is closed"),
    "year-not-over": Kind(409, "The year's last day, in UTC, has not ended"),
    "earlier-year-open": Kind(409, "An earlier year must be closed before"),
    "unknown-account": Kind(409, "The ledger has no such account"),
    "currency-not-kept": Kind(409, "The account is not kept in this currency or commodity"),
    "unbalanced-entry": Kind(409, "Debits and credits are not equal in each commodity"),
    "entry-reversed": Kind(409, "The entry was reversed already"),
    "journal-full": Kind(409, "The journal cannot remember more reversals"),
    # ourselves
    "internal-error": Kind(500, "Something went wrong on our side"),
}


class Problem(Exception):  # noqa: N818 - RFC 9457's word
    """An answer that tells what is wrong.

    *errors* say where: each has a `pointer` (RFC 6901) into the body, or the name of a
    `parameter` or `header`, and a `detail`. *facts* become members of the answer.
    """

    def __init__(
        self,
        code: str,
        detail: str | None = None,
        *,
        errors: Sequence[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        **facts: Any,
    ) -> None:
        super().__init__(code)
        self.code = code
        self.kind = PROBLEMS[code]
        self.detail = detail
        self.errors = errors
        self.facts = facts
        self._headers = headers or {}

    @property
    def headers(self) -> dict[str, str]:
        """The answer's headers."""
        seconds = self.kind.retry_after
        retry = {} if seconds is None else {"Retry-After": str(seconds)}
        return {"Content-Type": MEDIA_TYPE, **retry, **self._headers}

    def body(self) -> dict[str, Any]:
        """The answer's JSON."""
        said = {} if self.detail is None else {"detail": self.detail}
        where = {"errors": list(self.errors[:ERRORS_SHOWN])} if self.errors else {}
        return {
            "type": f"/problems/{self.code}",
            "title": self.kind.title,
            "status": self.kind.status,
            "code": self.code,
            **said,
            **where,
            **{name: fact_json(fact) for name, fact in self.facts.items()},
        }


def fact_json(fact: Any) -> Any:
    """A fact of a refusal as JSON; money as MONEY."""
    return money(fact) if isinstance(fact, Money) else to_json(fact)

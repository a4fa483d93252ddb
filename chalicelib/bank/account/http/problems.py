"""The problems of accounts."""

from chalicelib.leftfold.http.problems import Kind

# Clients branch on the codes: add to this table, never rename.
problems = {
    "account-missing": Kind(404, "There is no such account"),
    "account-exists": Kind(409, "There is an account of this id already"),
    "account-open": Kind(409, "The account is open"),
    "account-frozen": Kind(409, "The account is frozen"),
    "account-closed": Kind(409, "The account is closed"),
    "account-not-frozen": Kind(409, "The account is not frozen"),
    "statement-missing": Kind(404, "The account has no such statement"),
    "period-closed": Kind(409, "The period was closed with an earlier statement"),
    "account-not-empty": Kind(409, "The account's balance is not zero"),
    "currency-mismatch": Kind(409, "Money stays in the account's currency"),
    "insufficient-funds": Kind(409, "The debit goes beyond balance and credit limit"),
    "balance-out-of-range": Kind(409, "The balance would be too large to keep"),
}

"""The problems of ledgers."""

from chalicelib.leftfold.http.problems import Kind

# Clients branch on the codes: add to this table, never rename.
problems = {
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
    "year-not-closing": Kind(409, "The year is not being closed"),
    "journal-gathered": Kind(409, "The journal's totals of the year are gathered already"),
}

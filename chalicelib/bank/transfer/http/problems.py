"""The problems of transfers."""

from chalicelib.leftfold.http.problems import Kind

# Clients branch on the codes: add to this table, never rename.
problems = {
    "transfer-missing": Kind(404, "There is no such transfer"),
    "transfer-exists": Kind(409, "There is a transfer of this id already"),
    "same-account": Kind(409, "A transfer needs two accounts"),
    "transfer-under-way": Kind(409, "The money has left the source already"),
    "transfer-moved-on": Kind(409, "The transfer has moved on from this step"),
    "transfer-ended": Kind(409, "The transfer has ended"),
    "step-answered": Kind(409, "The step of the transfer has another answer already"),
}

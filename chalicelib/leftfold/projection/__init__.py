"""Folds the log into the rows of views, and runs every reader of the log.

`fold` is pure. `partitioned` is the runner, on the parts in `runner`: a partitioned reader goes by the
order of each stream, an ordered view by the order of each tenant's part of the log. `rows` is the port
of row stores, which `documents`, `search` and `memory` fulfil. `redrive` takes up parked streams,
`replay` folds a view again from the log, `lag` and `freshness` compare readers with the log, `ahead`
folds a row for one answer before its view does.
"""

"""Personal data: sealed by its subject when a commit is written, opened where it is read.

`vault` seals and opens, `keys` is the port of the table of data keys, `dynamo`, `kms` and
`memory` are its adapters (docs/adr/0018).
"""

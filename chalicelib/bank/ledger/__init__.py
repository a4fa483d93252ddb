"""The general ledger: a chart and its years, journals that take the entries, the close."""

"""The bank: accounts, transfers between them, a general ledger, and notices to customers."""

"""Commands of the bank: import its transactions and books, run it, measure it."""

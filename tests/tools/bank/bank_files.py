"""Bank files for tests."""

from pathlib import Path

HEADER = (
    "transaction_id,account_id,date,direction,operation,amount,balance_after,"
    "purpose,counterparty_bank,counterparty_account"
)


def bank_file(folder: Path, *rows: str, header: str = HEADER) -> Path:
    """A file of *rows*; a row may leave out the columns after balance_after."""
    path = folder / "bank.csv"
    columns = HEADER.count(",")
    padded = [row + "," * (columns - row.count(",")) for row in rows]
    path.write_text("\n".join([header, *padded, ""]), encoding="utf-8")
    return path


def credits_of(account: str, count: int, first: int = 1) -> list[str]:
    """Rows that credit 1.00 each."""
    return [
        f"{account}-{number},{account},2020-01-{1 + number % 28:02},credit,,1.00,{number}.00"
        for number in range(first, first + count)
    ]

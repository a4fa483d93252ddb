"""Until when the next step of a transfer is expected."""

from chalicelib.bank.transfer.domain import TimeOut, transfer
from chalicelib.bank.transfer.views import transfers
from chalicelib.leftfold.kernel import Deadline, Row


def transfer_id(row: Row) -> str:
    """Whose row it is."""
    key: str = row["transferId"]
    return key


def time_out(row: Row) -> TimeOut:
    """What a transfer is told that has not moved on from the state in its row."""
    return TimeOut(row["state"])


next_step = Deadline("next_step", transfers, transfer, transfer_id, time_out)

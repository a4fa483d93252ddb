"""The deadline for the next step of a transfer."""

from chalicelib.bank.transfer.domain import TimeOut, transfer
from chalicelib.bank.transfer.views import transfers
from chalicelib.leftfold.kernel import Deadline, Row


def transfer_id(row: Row) -> str:
    """The transfer that a row shows."""
    key: str = row["transferId"]
    return key


def time_out(row: Row) -> TimeOut:
    """The command to a transfer that is overdue in the state that its row shows."""
    return TimeOut(row["state"])


next_step = Deadline("next_step", transfers, transfer, transfer_id, time_out)

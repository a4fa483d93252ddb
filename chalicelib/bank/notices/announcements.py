"""What other systems are told of: what has become of accounts, statements and transfers.

Single bookings are not among it. Whoever needs those follows the log.
"""

from chalicelib.bank.account.domain import (
    Closed,
    Frozen,
    Opened,
    StatementClosed,
    Unfrozen,
    account,
)
from chalicelib.bank.transfer.domain import (
    Cancelled,
    Completed,
    Expired,
    Requested,
    TransferRefused,
    transfer,
)
from chalicelib.leftfold.kernel import Announcer

announce = Announcer(
    "announce",
    (account, transfer),
    (
        *(Opened, Frozen, Unfrozen, StatementClosed, Closed),
        *(Requested, Completed, TransferRefused, Cancelled, Expired),
    ),
)

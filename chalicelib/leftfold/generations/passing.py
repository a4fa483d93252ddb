"""What the policies of the earlier generation have done already."""

from dataclasses import dataclass

from chalicelib.leftfold.kernel import Commit
from chalicelib.leftfold.store.ports import Checkpoints, Parking


@dataclass(frozen=True)
class Passed:
    """Whether a policy of the giver has passed the source of a copy; *checkpoints* and *parking*
    are the giver's.

    Its checkpoint is read once, before what is parked. To take a step that was passed does no
    harm, for a step has the same name in every generation; it costs reads. To pass one that was
    not taken loses it. So a copy whose position is not known counts as not passed.
    """

    policy: str
    through: int
    parking: Parking

    def __call__(self, commit: Commit) -> bool:
        if commit.source is None or commit.position is None or commit.position > self.through:
            return False
        stream, _ = commit.source
        parked = self.parking.find(self.policy, [stream]).get(stream)
        return parked is None or commit.position < parked.first


def passed_of(policy: str, checkpoints: Checkpoints, parking: Parking) -> Passed:
    """What *policy* has passed now, as far as its checkpoint and its parked processes say."""
    return Passed(policy, checkpoints.read(policy, [0])[0], parking)

"""What the policies of the earlier generation have done already."""

from collections.abc import Mapping
from dataclasses import dataclass

from chalicelib.leftfold.kernel import Commit
from chalicelib.leftfold.store.logs import log_of
from chalicelib.leftfold.store.ports import Checkpoints, Parking


@dataclass(frozen=True)
class Passed:
    """Whether a policy of the giver has passed the source of a copy; *checkpoints* and *parking*
    are the giver's, and *through* has the policy's position in each of its logs, by name.

    Its checkpoints are read once, before what is parked. To take a step that was passed does no
    harm, for a step has the same name in every generation; it costs reads. To pass one that was
    not taken loses it. So a copy whose position is not known counts as not passed.
    """

    policy: str
    through: Mapping[str, int]
    parking: Parking

    def __call__(self, commit: Commit) -> bool:
        if commit.source is None or commit.position is None:
            return False
        stream, _ = commit.source
        # The position is that of the source, in the log of its tenant.
        if commit.position > self.through[log_of(stream, tuple(self.through))]:
            return False
        parked = self.parking.find(self.policy, [stream]).get(stream)
        return parked is None or commit.position < parked.first


def passed_of(policy: str, checkpoints: Mapping[str, Checkpoints], parking: Parking) -> Passed:
    """What *policy* has passed now, as far as its checkpoints and its parked processes say.

    *checkpoints* are those of each log of the giver.
    """
    through = {name: of.read(policy, [0])[0] for name, of in checkpoints.items()}
    return Passed(policy, through, parking)

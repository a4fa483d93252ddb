"""A replay of the live epochs takes a log whole or not at all."""

import pytest

from chalicelib.domain import DOMAIN
from chalicelib.leftfold.projection.replay import replay_live
from chalicelib.leftfold.store.ports import Unavailable
from tests.archive.site import Stage, credit


def test_a_log_that_does_not_show_its_newest_commit_is_refused() -> None:
    """The head says how far the log goes. Rows that end one commit before it would be compared
    with live rows, and called different, or take their place and lose that commit.
    """
    site = Stage()
    site.months(1)
    site.settle()
    site.do(credit(7))
    site.settle()
    view = DOMAIN.views["balances"]
    whole = replay_live(view, site.whole, lambda _: None)
    assert whole.position == site.log.head().next_position - 1
    newest = site.log._links.pop()
    assert newest.next_position - newest.first_position == 1
    with pytest.raises(Unavailable, match=f"position {whole.position}"):
        replay_live(view, site.whole, lambda _: None)

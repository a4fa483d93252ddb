"""What an answer's description promises to the client that is generated from it."""

from collections.abc import Iterator

import pytest

import app  # noqa: F401 - it brings in every route
from chalicelib.leftfold.http.fields import Shown


def kinds(of: type[Shown]) -> Iterator[type[Shown]]:
    for kind in of.__subclasses__():
        yield kind
        yield from kinds(kind)


KINDS = {kind.__name__: kind for kind in kinds(Shown)}


@pytest.mark.parametrize("kind", [KINDS[name] for name in sorted(KINDS)])
def test_an_answer_always_has_each_member_that_is_described(kind: type[Shown]) -> None:
    """A member that may be left out is one that every client has to ask for first. What there
    is nothing to say of is null, an empty list or an empty text, never absent.
    """
    assert [name for name, one in kind().fields.items() if not one.required] == []

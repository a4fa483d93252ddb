"""The functions that the engine makes of a domain."""

import pytest

from chalicelib.domain import DOMAIN
from chalicelib.leftfold.functions.application import event_functions
from chalicelib.leftfold.kernel import Context, Domain, Policy
from chalicelib.leftfold.wiring import process


@pytest.mark.parametrize("name", ["relay", "archive", "handlers"])
def test_a_reader_that_is_named_like_a_function_of_the_engine_is_refused(name: str) -> None:
    domain = Domain((Context(policies=(Policy(name, (), lambda _: ()),)),))
    try:
        with pytest.raises(ValueError, match=f"'{name}' is the name of a function of the engine"):
            event_functions("here", domain)
    finally:
        process.serve(DOMAIN)

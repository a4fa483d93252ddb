"""Values on their way through storage: what comes back has to be the very same."""

import json
from dataclasses import fields, is_dataclass
from decimal import Decimal
from typing import Any

from chalicelib.leftfold.kernel.commit import canonical


def stored(found: Any) -> Any:
    """JSON values as an item of DynamoDB, or a line of the log, gives them back."""
    return json.loads(canonical(found))


def same(one: Any, other: Any) -> bool:
    """Whether two values are equal and of the same types, through and through.

    `==` is not enough: True == 1, and Decimal("1.0") == Decimal("1.00").
    """
    if type(one) is not type(other) or one != other:
        return False
    if is_dataclass(one):
        return all(same(getattr(one, f.name), getattr(other, f.name)) for f in fields(one))
    if isinstance(one, tuple):
        return all(map(same, one, other))
    if isinstance(one, frozenset):
        return sorted(map(repr, one)) == sorted(map(repr, other))
    if isinstance(one, dict):
        keys = {repr(key) for key in one} == {repr(key) for key in other}
        return keys and all(same(one[key], other[key]) for key in one)
    return not isinstance(one, Decimal) or str(one) == str(other)

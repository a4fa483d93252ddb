"""The bounds of what a request may say, at the bound and one beyond it.

OpenAPI lists them for clients, which check before they send: a bound that moves by one turns
down requests that the document allows.
"""

from typing import Any

import pytest
from marshmallow import ValidationError, fields

from chalicelib.leftfold.http.fields import Fullmatch, Pages, WholeNumber, min_version, text

LIMIT = Pages().fields["limit"]


@pytest.mark.parametrize(
    ("field", "least", "most"),
    [(min_version(), 1, 10**15), (LIMIT, 1, 500)],
)
def test_a_whole_number_of_a_query_has_two_bounds(
    field: fields.Field[int], least: int, most: int
) -> None:
    assert [field.deserialize(str(n)) for n in (least, most)] == [least, most]
    for beyond in (least - 1, most + 1):
        with pytest.raises(ValidationError):
            field.deserialize(str(beyond))


def test_a_whole_number_of_a_body_has_two_bounds() -> None:
    field = WholeNumber(2, 8)
    assert [field.deserialize(n) for n in (2, 8, 8.0)] == [2, 8, 8]
    for beyond in (1, 9, 9.0, 2.5, "2", True, None):
        with pytest.raises(ValidationError):
            field.deserialize(beyond)


@pytest.mark.parametrize("taken", ["a", "x" * 20, "ž", " a "])
def test_a_text_of_a_length_within_its_bounds_is_taken(taken: str) -> None:
    assert text(20).deserialize(taken) == taken


@pytest.mark.parametrize("refused", ["", " ", "x" * 21, "a\nb", "\x00"])
def test_a_text_that_is_blank_or_too_long_is_refused(refused: str) -> None:
    with pytest.raises(ValidationError):
        text(20).deserialize(refused)


@pytest.mark.parametrize(("options", "expected"), [({}, 50), ({"limit": "7"}, 7)])
def test_a_page_has_50_items_unless_told(options: dict[str, Any], expected: int) -> None:
    assert Pages().load(options)["limit"] == expected
    with pytest.raises(ValidationError):
        Pages().load({"cursor": "x" * 2001})
    assert Pages().load({"cursor": "x" * 2000})


@pytest.mark.parametrize("pattern", ["[0-9]{1,64}", "^[0-9]{1,64}", "[0-9]{1,64}$"])
def test_a_pattern_that_the_description_would_find_anywhere_in_a_text_is_refused(
    pattern: str,
) -> None:
    with pytest.raises(ValueError, match="a pattern of a whole text"):
        Fullmatch(pattern, reason="must be a number")

"""The fields that bodies, queries and answers are made of."""

import re
from collections.abc import Mapping
from copy import copy
from datetime import UTC, date, datetime
from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields, validate

# C0 and C1 control characters, and U+FFFD, which stands for bytes that were not UTF-8.
_UNPRINTABLE = r"\x00-\x1f\x7f-\x9f\ufffd"
_LINE = rf"^[^{_UNPRINTABLE}]*[^\s{_UNPRINTABLE}][^{_UNPRINTABLE}]*$"
# SES takes one address in ASCII, without a display name.
_EMAIL = r"^[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+$"
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DIGITS = re.compile(r"[0-9]{1,16}")
LARGEST_VERSION = 10**15
FIRST_YEAR = 1970

KEY = re.compile(r"^[A-Za-z0-9-]{1,64}$")

# What clients read instead of marshmallow's own sentences. Every error names the field, so a
# sentence goes on from there: "/owner must be a string".
_SENTENCES = {
    fields.Field.default_error_messages["required"]: "is missing",
    fields.Field.default_error_messages["null"]: "must not be null",
    fields.String.default_error_messages["invalid"]: "must be a string",
    fields.Integer.default_error_messages["invalid"]: "must be a whole number",
    fields.Boolean.default_error_messages["invalid"]: "must be true or false",
    fields.List.default_error_messages["invalid"]: "must be a list",
    fields.Dict.default_error_messages["invalid"]: "must be an object",
    fields.Nested.default_error_messages["type"]: "must be an object",
}


def camel(name: str) -> str:
    """The JSON name of a Python one: value_date becomes valueDate, from_ becomes from."""
    head, *tail = name.split("_")
    return head + "".join(map(str.capitalize, tail))


class ComponentField(fields.Field[Any]):
    """A field that the OpenAPI document describes as a component of its own, by name."""

    component: str

    def component_schema(self) -> dict[str, Any]:
        """The JSON schema of the field's values."""
        raise NotImplementedError


class Fullmatch(validate.Validator):
    """A pattern for the whole text. marshmallow's own lets a newline follow `$`.

    Raises `ValueError` if the pattern lacks `^` or `$`: the API's description, where a pattern may be
    found anywhere in a text, would promise more than is taken.
    """

    def __init__(self, pattern: str, reason: str) -> None:
        if not (pattern.startswith("^") and pattern.endswith("$")):
            raise ValueError(f"a pattern of a whole text is ^…$: {pattern}")
        self.regex = re.compile(pattern)  # where apispec looks for it
        self.reason = reason

    def __call__(self, value: str) -> str:
        if self.regex.fullmatch(value) is None:
            raise ValidationError(self.reason)
        return value


class Strict(Schema):
    """An object with the listed fields only, under names in camel case.

    Its errors, and those of its fields, are sentences of ours.
    """

    class Meta:  # noqa: D106 - marshmallow's way to set options
        unknown = RAISE

    error_messages = {"type": "must be an object", "unknown": "is not a known name"}  # noqa: RUF012 - marshmallow's type

    def on_bind_field(self, field_name: str, field_obj: fields.Field[Any]) -> None:
        field_obj.data_key = camel(field_name)
        use_our_sentences(field_obj)


def use_our_sentences(field: fields.Field[Any]) -> None:
    """Replaces marshmallow's sentences in a field; those that its author chose stay."""
    field.error_messages = {
        code: _SENTENCES.get(sentence, sentence) for code, sentence in field.error_messages.items()
    }
    field.validators = [with_our_sentence(validator, field) for validator in field.validators]
    if isinstance(field, fields.List):
        use_our_sentences(field.inner)


def with_our_sentence(validator: Any, field: fields.Field[Any]) -> Any:
    """The validator with a sentence of ours, unless its author chose one."""
    match validator:
        case validate.Length(error=None):
            unit = "items" if isinstance(field, fields.List) else "characters"
            sentence = f"must have {bounds(validator)} {unit}"
        case validate.Range(error=None):
            sentence = f"must be {bounds(validator)}"
        case validate.OneOf(error=validate.OneOf.default_message):
            sentence = "must be one of: {choices}"
        case _:
            return validator
    ours = copy(validator)
    ours.error = sentence
    return ours


def bounds(validator: validate.Length | validate.Range) -> str:
    """What a length or a number may be: "at least 1 and at most 500"."""
    given = (("at least", validator.min), ("at most", validator.max))
    return " and ".join(f"{side} {bound}" for side, bound in given if bound is not None)


class Shown(Strict):
    """An answer's object, made of a view's row, whose names are in camel case too."""

    def on_bind_field(self, field_name: str, field_obj: fields.Field[Any]) -> None:
        super().on_bind_field(field_name, field_obj)
        field_obj.attribute = field_obj.data_key


def text(longest: int, **options: Any) -> fields.String:
    """One line that is not blank, of at most *longest* characters."""
    line = Fullmatch(_LINE, reason="must be a line of text, without control characters")
    return fields.String(validate=[validate.Length(1, longest), line], **options)


def key(**options: Any) -> fields.String:
    """An aggregate's own id."""
    return fields.String(
        validate=Fullmatch(KEY.pattern, reason="must be 1 to 64 letters, digits and hyphens"),
        **options,
    )


def email(**options: Any) -> fields.String:
    """An e-mail address that notifications may be sent to."""
    one = Fullmatch(_EMAIL, reason="must be an e-mail address")
    return fields.String(validate=[validate.Length(3, 254), one], **options)


def day(**options: Any) -> fields.String:
    """A day of the calendar, as a string in ISO 8601."""
    return fields.String(validate=real_day, metadata={"format": "date"}, **options)


def real_day(value: str) -> None:
    """Raises ValidationError unless *value* is a day."""
    if not is_day(value):
        raise ValidationError('must be a day of the calendar like "1993-01-03"')


def is_day(value: str) -> bool:
    """Whether *value* is a day like 1993-01-03; `date.fromisoformat` also takes 19930103."""
    try:
        return _DAY.fullmatch(value) is not None and bool(date.fromisoformat(value))
    except ValueError:
        return False


def moment(description: str) -> fields.String:
    """The parameter of a route that begins at a time: an instant in ISO 8601, since 1970."""
    return fields.String(
        validate=real_moment, metadata={"format": "date-time", "description": description}
    )


def real_moment(value: str) -> None:
    """Raises ValidationError unless *value* is an instant since 1970."""
    try:
        at = datetime.fromisoformat(value)
        good = at.tzinfo is not None and at.astimezone(UTC).year >= FIRST_YEAR
    except (ValueError, OverflowError):
        good = False
    if not good:
        raise ValidationError('must be an instant since 1970 like "2026-01-31T12:00:00Z"')


class Whole(fields.Integer):
    """A whole number in a query, written in digits only."""

    def __init__(self, least: int, most: int, **options: Any) -> None:
        super().__init__(validate=validate.Range(least, most), **options)

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> int:
        if not isinstance(value, str) or _DIGITS.fullmatch(value) is None:
            raise self.make_error("invalid", input=value)
        number: int = super()._deserialize(value, attr, data, **kwargs)
        return number


class WholeNumber(fields.Integer):
    """A whole number in a body; 8.0 is one, too, as in JSON Schema."""

    def __init__(self, least: int, most: int, **options: Any) -> None:
        super().__init__(strict=True, validate=validate.Range(least, most), **options)

    def _validated(self, value: Any) -> int:
        whole = isinstance(value, float) and value.is_integer()
        number: int = super()._validated(int(value) if whole else value)
        return number


def min_version() -> Whole:
    """The parameter `minVersion`: a version that the view must have reached."""
    waits = (
        "A version of the aggregate, as a command returned it. The answer waits, up to five "
        "seconds, until the view shows that version. Without this parameter, a change that was "
        "just made may be missing."
    )
    return Whole(1, LARGEST_VERSION, metadata={"description": waits})


class Pages(Strict):
    """The parameters of every list."""

    limit = Whole(1, 500, load_default=50)
    cursor = fields.String(
        validate=validate.Length(1, 2000),
        metadata={"description": "The `next` of the page before; the conditions must be the same."},
    )


class NoFields(Strict):
    """An object without members; a query without parameters."""


# For each route that takes nothing: a schema keeps nothing of what it loads.
NO_FIELDS = NoFields()

"""The fields that bodies, queries and answers are made of."""

import re
from collections.abc import Mapping
from datetime import date
from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields, validate

# C0 and C1 controls, and what is left of text that was not UTF-8.
_UNPRINTABLE = r"\x00-\x1f\x7f-\x9f\ufffd"
_LINE = rf"^[^{_UNPRINTABLE}]*[^\s{_UNPRINTABLE}][^{_UNPRINTABLE}]*$"
# What SES takes: ASCII, one address, nothing around it.
_EMAIL = r"^[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+$"
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DIGITS = re.compile(r"[0-9]{1,16}")
LARGEST_VERSION = 10**15

KEY = re.compile(r"^[A-Za-z0-9-]{1,64}$")


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
    """A pattern for the whole text; marshmallow's own lets a newline follow `$`."""

    def __init__(self, pattern: str, reason: str) -> None:
        self.regex = re.compile(pattern)  # where apispec looks for it
        self.reason = reason

    def __call__(self, value: str) -> str:
        if self.regex.fullmatch(value) is None:
            raise ValidationError(self.reason)
        return value


class Strict(Schema):
    """Names in camel case; what is not listed is refused."""

    class Meta:  # noqa: D106 - marshmallow's way to set options
        unknown = RAISE

    def on_bind_field(self, field_name: str, field_obj: fields.Field[Any]) -> None:
        field_obj.data_key = camel(field_name)


class Shown(Strict):
    """What an answer shows of a view's row, whose names are in camel case too."""

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
    """A day of the calendar, as text in ISO 8601."""
    return fields.String(validate=real_day, metadata={"format": "date"}, **options)


def real_day(value: str) -> None:
    """Refuses what is no day."""
    if not is_day(value):
        raise ValidationError('must be a day of the calendar like "1993-01-03"')


def is_day(value: str) -> bool:
    """Whether *value* is a day as we write it: `date.fromisoformat` also takes 19930103."""
    try:
        return _DAY.fullmatch(value) is not None and bool(date.fromisoformat(value))
    except ValueError:
        return False


class Whole(fields.Integer):
    """A whole number in a query: digits only."""

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
    """A whole number in a body: 8, or 8.0, which to JSON Schema is the same."""

    def __init__(self, least: int, most: int, **options: Any) -> None:
        super().__init__(strict=True, validate=validate.Range(least, most), **options)

    def _validated(self, value: Any) -> int:
        whole = isinstance(value, float) and value.is_integer()
        number: int = super()._validated(int(value) if whole else value)
        return number


def min_version() -> Whole:
    """The version that a view must have reached."""
    waits = (
        "A version of the aggregate, such as a command answered: the answer waits, up to five "
        "seconds, until it shows that version. Without it, what was just made may be missing."
    )
    return Whole(1, LARGEST_VERSION, metadata={"description": waits})


class Pages(Strict):
    """The parameters of every list."""

    limit = Whole(1, 500, load_default=50)
    cursor = fields.String(
        validate=validate.Length(1, 2000),
        metadata={"description": "`next` of the page before, with the same conditions."},
    )


class NoFields(Strict):
    """An object without members; a query without parameters."""

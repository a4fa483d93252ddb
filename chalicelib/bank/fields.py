"""MONEY at the edge: {"amount": "700.00", "currency": "CZK"}; minor units inside."""

from collections.abc import Mapping
from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields, validate
from marshmallow.utils import get_value

from chalicelib.bank.money import LARGEST_AMOUNT, MINOR_DIGITS, Money

CURRENCIES = sorted(MINOR_DIGITS)


def money(of: Money) -> dict[str, str]:
    """The JSON of an amount."""
    return {"amount": str(of), "currency": of.currency}


def currency_field(**options: Any) -> fields.String:
    """A currency of ISO 4217 by its code."""
    known = validate.OneOf(CURRENCIES, error="is not a currency of ISO 4217")
    return fields.String(validate=known, **options)


class MoneyBody(Schema):
    """The two members of MONEY, as text; an amount that is a JSON number is refused."""

    class Meta:  # noqa: D106 - marshmallow's way to set options
        unknown = RAISE

    amount = fields.String(required=True)
    currency = currency_field(required=True)


class MoneyField(fields.Field[Money]):
    """Dumps minor units as MONEY; loads MONEY of at least *least* minor units.

    The currency of what is dumped stands beside it, under "currency".
    """

    def __init__(self, *, least: int | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.least = least

    def _deserialize(
        self,
        value: Any,
        attr: str | None,  # noqa: ARG002 - marshmallow's signature
        data: Mapping[str, Any] | None,  # noqa: ARG002
        **kwargs: Any,  # noqa: ARG002
    ) -> Money:
        given = MONEY_BODY.load(value)
        try:
            parsed = Money.parse(given["amount"], given["currency"])
        except ValueError as error:
            raise ValidationError({"amount": [str(error)]}) from error
        if self.least is not None and parsed.minor < self.least:
            reason = "must be above zero" if self.least else "must not be negative"
            raise ValidationError({"amount": [reason]})
        if parsed.minor >= LARGEST_AMOUNT:
            bound = Money(LARGEST_AMOUNT, parsed.currency)
            raise ValidationError({"amount": [f"must be under {bound}"]})
        return parsed

    def _serialize(
        self,
        value: Any,
        attr: str | None,  # noqa: ARG002 - marshmallow's signature
        obj: Any,
        **kwargs: Any,  # noqa: ARG002
    ) -> dict[str, str]:
        return money(Money(value, get_value(obj, "currency")))


MONEY_BODY = MoneyBody()

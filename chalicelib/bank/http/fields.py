"""Fields for MONEY, {"amount": "700.00", "currency": "CZK"}; minor units inside."""

from collections.abc import Mapping
from typing import Any

from marshmallow import ValidationError, fields, validate
from marshmallow.utils import get_value

from chalicelib.bank.money import LARGEST_AMOUNT, LARGEST_BALANCE, MINOR_DIGITS, Money
from chalicelib.leftfold.http.fields import ComponentField, Strict

CURRENCIES = sorted(MINOR_DIGITS)
# Counts of digits, those of minor units included.
LONGEST_AMOUNT = len(str(LARGEST_AMOUNT - 1))
LONGEST_BALANCE = len(str(LARGEST_BALANCE))
# The component of OpenAPI by the least amount that a field takes. A field with None only
# shows amounts.
COMPONENTS = {None: "Money", 0: "MoneyNotNegative", 1: "MoneyAboveZero"}


def currency_field(**options: Any) -> fields.String:
    """A currency of ISO 4217 by its code."""
    known = validate.OneOf(CURRENCIES, error="is not a currency of ISO 4217")
    return fields.String(validate=known, **options)


class MoneyBody(Strict):
    """The two members of MONEY, as text; an amount that is a JSON number is refused."""

    amount = fields.String(required=True)
    currency = currency_field(required=True)


class MoneyField(ComponentField):
    """Dumps minor units as MONEY; loads MONEY of at least *least* minor units.

    A value is dumped with the currency that its object has under "currency".
    """

    def __init__(self, *, least: int | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.least = least
        self.component = COMPONENTS[least]

    def component_schema(self) -> dict[str, Any]:
        return {"anyOf": [money_schema(digits, self.least) for digits in (0, 2, 3)]}

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
        return Money(value, get_value(obj, "currency")).to_fact()


MONEY_BODY = MoneyBody()


def money_schema(digits: int, least: int | None) -> dict[str, Any]:
    """MONEY in the currencies that have *digits* decimals."""
    sign, longest = ("-?", LONGEST_BALANCE) if least is None else ("", LONGEST_AMOUNT)
    currencies = sorted(code for code, known in MINOR_DIGITS.items() if known == digits)
    part = rf"(\.[0-9]{{1,{digits}}})?" if digits else ""
    amount: dict[str, Any] = {
        "type": "string",
        "pattern": f"^{sign}[0-9]{{1,{longest - digits}}}{part}$",
    }
    if least:
        amount["not"] = {"pattern": r"^[0.]+$"}
    return {
        "type": "object",
        "required": ["amount", "currency"],
        "additionalProperties": False,
        "properties": {
            "amount": amount,
            "currency": {"type": "string", "enum": currencies},
        },
    }

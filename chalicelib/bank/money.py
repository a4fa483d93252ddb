"""Money: integers of minor units in a currency of ISO 4217; decimals only as text."""

import re
from typing import NamedTuple

# ISO 4217:2015, list one (active codes), by number of minor units. Codes without minor
# units (gold, test codes, funds) are not money that an account can hold.
_BY_DIGITS = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF",
    2: (
        "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP "
        "BYN BZD CAD CDF CHF CNY COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP "
        "GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW "
        "KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR "
        "MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR "
        "SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS "
        "UAH USD UYU UZS VES WST XCD XCG YER ZAR ZMW ZWG"
    ),
    3: "BHD IQD JOD KWD LYD OMR TND",
}
MINOR_DIGITS = {code: digits for digits, codes in _BY_DIGITS.items() for code in codes.split()}

# Far beyond any booking, and far below the largest integer of 64 bits, so sums stay exact.
LARGEST_AMOUNT = 10**15
LARGEST_BALANCE = 10**18

_DECIMAL = re.compile(r"(-?)([0-9]{1,18})(?:\.([0-9]{1,8}))?")


def decimal(minor: int, digits: int) -> str:
    """Minor units as a plain decimal with *digits* decimals: 70000 is "700.00" with two."""
    sign = "-" if minor < 0 else ""
    whole, part = divmod(abs(minor), 10**digits)
    return f"{sign}{whole}.{part:0{digits}}" if digits else f"{sign}{whole}"


def minor_units(text: str, digits: int, currency: str) -> int:
    """The inverse of `decimal`; *text* may leave decimals out.

    Raises ValueError, with a reason for people, for anything but ASCII digits and for more
    decimals than *digits*, which are those of *currency*.
    """
    match = _DECIMAL.fullmatch(text)
    if match is None:
        raise ValueError('must be a plain decimal like "700.00"')
    sign, whole, part = match[1], match[2], match[3] or ""
    if len(part) > digits:
        raise ValueError(f"has more than the {digits} decimals of {currency}")
    minor = int(whole + part.ljust(digits, "0"))
    return -minor if sign else minor


class Money(NamedTuple):
    """An amount in minor units: Money(70000, "CZK") is 700.00 CZK."""

    minor: int
    currency: str

    def __str__(self) -> str:
        return decimal(self.minor, MINOR_DIGITS[self.currency])

    def to_fact(self) -> dict[str, str]:
        """The amount as clients see it in a refusal: {"amount": "700.00", "currency": "CZK"}."""
        return {"amount": str(self), "currency": self.currency}

    @classmethod
    def parse(cls, text: str, currency: str) -> "Money":
        """The money that a plain decimal like "-700.00" says.

        Raises ValueError, with a reason for people, for anything but ASCII digits, for
        more decimals than the currency has, and for a currency that is not in ISO 4217.
        """
        digits = MINOR_DIGITS.get(currency)
        if digits is None:
            raise ValueError("is not a currency of ISO 4217")
        return cls(minor_units(text, digits, currency), currency)

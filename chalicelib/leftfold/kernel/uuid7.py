"""UUIDs of version 7 (RFC 9562): a time, and 74 bits that are random or derived.

Written out here, because every function would wait for the import of `uuid`.
"""

_VERSION, _VARIANT = 7, 0b10


def uuid7(milliseconds: int, entropy: bytes) -> str:
    """The UUID of a time, in *milliseconds* since 1970 in UTC, and of ten bytes of *entropy*."""
    bits = int.from_bytes(entropy[:10])
    value = (milliseconds & (1 << 48) - 1) << 80
    value |= _VERSION << 76 | (bits >> 62 & (1 << 12) - 1) << 64
    value |= _VARIANT << 62 | bits & (1 << 62) - 1
    digits = f"{value:032x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))

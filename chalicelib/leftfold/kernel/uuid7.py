"""UUIDs of version 7 (RFC 9562): a time, and 74 bits that may be random or derived."""

from uuid import UUID

_VERSION, _VARIANT = 7, 0b10


def uuid7(milliseconds: int, entropy: bytes) -> str:
    """The UUID of a moment (since 1970, UTC) and of at least ten bytes of entropy."""
    bits = int.from_bytes(entropy[:10])
    value = (milliseconds & (1 << 48) - 1) << 80
    value |= _VERSION << 76 | (bits >> 62 & (1 << 12) - 1) << 64
    value |= _VARIANT << 62 | bits & (1 << 62) - 1
    return str(UUID(int=value))

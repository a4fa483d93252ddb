"""Seals what a client keeps for us, such as a cursor: nobody else can make, change or read it."""

import base64
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

# The first byte of what is sealed. Another format or kind of key gets another one.
FORMAT = b"\x01"


class BrokenSealError(ValueError):
    """The text was not sealed by this seal, or for something else."""


class Seal:
    """Seals with a *secret* of 64 bytes: AES-256 in SIV mode (RFC 5297).

    SIV needs no random number, so the same content has the same text, and a client sees
    whether two of its own texts are equal, and nothing else.
    """

    def __init__(self, secret: bytes) -> None:
        self._cipher = AESSIV(secret)

    def close(self, content: bytes, bound: Sequence[str]) -> str:
        """Opaque text of *content*, which opens only with the same *bound* texts."""
        sealed = FORMAT + self._cipher.encrypt(content, associated(bound))
        return base64.urlsafe_b64encode(sealed).decode().rstrip("=")

    def open(self, text: str, bound: Sequence[str]) -> bytes:
        """The content of *text*. Raises `BrokenSealError`."""
        try:
            padded = text + "=" * (-len(text) % 4)
            sealed = base64.b64decode(padded, altchars=b"-_", validate=True)
            if not sealed.startswith(FORMAT):
                raise BrokenSealError(text)
            return self._cipher.decrypt(sealed[len(FORMAT) :], associated(bound))
        except (ValueError, InvalidTag) as error:
            raise BrokenSealError(text) from error


def associated(bound: Sequence[str]) -> list[bytes]:
    """What the seal covers beside the content."""
    return [FORMAT, *(one.encode() for one in bound)]

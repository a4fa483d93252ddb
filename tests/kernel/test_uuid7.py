"""UUIDs of version 7, as RFC 9562 has them."""

from uuid import RFC_4122, UUID

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.leftfold.kernel.uuid7 import uuid7

moments = st.integers(0, 2**48 - 1)
entropies = st.binary(min_size=10, max_size=16)


@given(moments, entropies)
def test_every_one_is_of_version_7_and_begins_with_its_time(moment: int, entropy: bytes) -> None:
    """A retry's key is looked for in the time since it was made: other software reads it so."""
    made = UUID(uuid7(moment, entropy))
    assert (made.version, made.variant) == (7, RFC_4122)
    assert made.int >> 80 == moment


@given(moments, entropies)
def test_74_bits_of_the_entropy_are_kept(moment: int, entropy: bytes) -> None:
    """The ids of two steps, or of two clients, differ as their entropy does."""
    made = UUID(uuid7(moment, entropy)).int
    kept = (made >> 64 & 0xFFF) << 62 | made & (1 << 62) - 1
    assert kept == int.from_bytes(entropy[:10]) & (1 << 74) - 1


def test_a_uuid_is_written_as_it_always_was() -> None:
    """Keys are compared as text, and hashed."""
    assert uuid7(0x017F22E279B0, bytes([255] * 10)) == "017f22e2-79b0-7fff-bfff-ffffffffffff"

"""The key service: AWS KMS."""

from collections.abc import Callable
from typing import Any

from chalicelib.leftfold.store.dynamo import translated
from chalicelib.leftfold.subjects.keys import KEY_BYTES


class Kms:
    """`KeyService` on one key of KMS. What it wraps is bound to the name of the stage."""

    def __init__(self, client: Callable[[], Any], key: str, stage: str) -> None:
        self._client = client
        self._key = key
        self._context = {"leftfold": stage}

    def generate(self) -> tuple[bytes, bytes]:
        with translated():
            made = self._client().generate_data_key(
                KeyId=self._key, NumberOfBytes=KEY_BYTES, EncryptionContext=self._context
            )
        return made["Plaintext"], made["CiphertextBlob"]

    def unwrap(self, wrapped: bytes) -> bytes:
        with translated():
            opened = self._client().decrypt(
                KeyId=self._key, CiphertextBlob=wrapped, EncryptionContext=self._context
            )
        plain: bytes = opened["Plaintext"]
        return plain

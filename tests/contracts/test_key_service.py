"""What every key service promises."""

from collections.abc import Iterator

import pytest

from chalicelib.leftfold.store.ports import CallRefusedError
from chalicelib.leftfold.subjects.keys import KEY_BYTES, KeyService
from chalicelib.leftfold.subjects.kms import Kms
from chalicelib.leftfold.subjects.memory import MemoryKeyService
from tests.contracts import moto


@pytest.fixture(params=["memory", "kms"])
def service(request: pytest.FixtureRequest) -> Iterator[KeyService]:
    if request.param == "memory":
        yield MemoryKeyService()
        return
    with moto.in_process():
        yield kms_of("one")


def kms_of(stage: str) -> Kms:
    client = moto.client("kms")
    if not any(a["AliasName"] == "alias/x" for a in client.list_aliases()["Aliases"]):
        key = client.create_key()["KeyMetadata"]["KeyId"]
        client.create_alias(AliasName="alias/x", TargetKeyId=key)
    return Kms(lambda: client, "alias/x", stage)


def test_a_key_is_what_its_wrapped_form_unwraps_to(service: KeyService) -> None:
    plain, wrapped = service.generate()
    assert len(plain) == KEY_BYTES
    assert plain != wrapped
    assert service.unwrap(wrapped) == plain


def test_each_key_is_another(service: KeyService) -> None:
    assert service.generate()[0] != service.generate()[0]


def test_a_stage_does_not_unwrap_the_key_of_another() -> None:
    with moto.in_process():
        _, wrapped = kms_of("one").generate()
        with pytest.raises(CallRefusedError):
            kms_of("two").unwrap(wrapped)

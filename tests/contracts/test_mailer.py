"""What every mailer promises, and what Amazon SES's answers mean to us."""

import json
from typing import Any
from urllib.request import urlopen
from uuid import uuid4

import boto3
import pytest
from botocore.stub import Stubber

from chalicelib.leftfold.kernel import Email
from chalicelib.leftfold.policies.mailing import (
    Mailer,
    MemoryMailer,
    NoMailer,
    SendingStoppedError,
    SesMailer,
)
from chalicelib.leftfold.store.ports import CLAIM, CallRefusedError, Unavailable
from chalicelib.leftfold.wiring.clients import client

SENDER = "bank@example.com"


def ses_client(**where: Any) -> Any:
    return boto3.client(
        "ses",
        region_name="eu-central-1",
        aws_access_key_id="local",
        aws_secret_access_key="local",  # noqa: S106 - engines take any
        **where,
    )


@pytest.fixture(params=["memory", pytest.param("ses", marks=pytest.mark.engine("ministack"))])
def mailer(request: pytest.FixtureRequest) -> Mailer:
    if request.param == "memory":
        return MemoryMailer()
    client = ses_client(endpoint_url=request.getfixturevalue("ministack"))
    client.verify_email_identity(EmailAddress=SENDER)
    return SesMailer(client, SENDER)


def test_what_is_sent_is_answered(mailer: Mailer) -> None:
    assert mailer.send(Email("n", "ada@example.com", "Žofie", "a\nb")).startswith("sent: ")


def test_a_message_arrives_as_it_was_written(ministack: str) -> None:
    client = ses_client(endpoint_url=ministack)
    client.verify_email_identity(EmailAddress=SENDER)
    subject = f"Převod {uuid4()}"
    SesMailer(client, SENDER).send(Email("n", "ada@example.com", subject, "a\nč"))
    with urlopen(f"{ministack}/_ministack/ses/messages") as answer:  # noqa: S310 - our own
        stored = json.load(answer)
    sent = [message for account in stored["messages"].values() for message in account]
    (message,) = [message for message in sent if message["Subject"] == subject]
    assert (message["Source"], message["To"]) == (SENDER, ["ada@example.com"])
    assert message["BodyText"] == "a\nč"


def answered(code: str, status: int = 400, message: str = "because") -> str:
    """The mailer's answer where SES answers with an error."""
    client = ses_client()
    with Stubber(client) as stub:
        stub.add_client_error("send_email", code, message, http_status_code=status)
        return SesMailer(client, SENDER).send(Email("n", "ada@example.com", "s", "t"))


@pytest.mark.parametrize("code", ["MessageRejected", "InvalidParameterValue", "ValidationError"])
def test_a_message_that_is_refused_for_ever_is_answered(code: str) -> None:
    assert answered(code) == f"refused: {code}"


def test_a_message_that_may_be_sent_later_is_tried_again() -> None:
    with pytest.raises(Unavailable) as raised:
        answered("ServiceUnavailable", 503)
    assert not isinstance(raised.value, SendingStoppedError)


@pytest.mark.parametrize(
    "code", ["Throttling", "ThrottlingException", "AccountSendingPausedException"]
)
def test_an_account_that_sends_nothing_now_is_no_messages_fault(code: str) -> None:
    with pytest.raises(SendingStoppedError):
        answered(code)


UNVERIFIED = "Email address is not verified. The following identities failed the check in region"


def test_a_sender_that_is_not_verified_is_no_messages_fault() -> None:
    with pytest.raises(SendingStoppedError, match="not verified") as raised:
        answered("MessageRejected", message=f"{UNVERIFIED} EU-CENTRAL-1: {SENDER}, ada@example.com")
    assert "ada@" not in str(raised.value)


def test_an_addressee_that_is_not_verified_is_refused() -> None:
    """The answer is kept, so it names nobody."""
    message = f"{UNVERIFIED} EU-CENTRAL-1: ada@example.com"
    assert answered("MessageRejected", message=message) == "refused: MessageRejected"


def test_a_message_is_refused_though_its_sender_is_named_for_another_reason() -> None:
    message = f"Local address contains control or whitespace: {SENDER}"
    assert answered("InvalidParameterValue", message=message) == "refused: InvalidParameterValue"


def test_a_message_is_sent_in_utf_8_from_the_sender_to_its_addressee_alone() -> None:
    client = ses_client()
    asked = {
        "Source": SENDER,
        "Destination": {"ToAddresses": ["ada@example.com"]},
        "Message": {
            "Subject": {"Data": "Převod", "Charset": "UTF-8"},
            "Body": {"Text": {"Data": "a\nč", "Charset": "UTF-8"}},
        },
    }
    with Stubber(client) as stub:
        stub.add_response("send_email", {"MessageId": "m-1"}, asked)
        sent = SesMailer(client, SENDER).send(Email("n", "ada@example.com", "Převod", "a\nč"))
    assert sent == "sent: m-1"


@pytest.mark.parametrize("code", ["AccessDenied", "ExpiredToken", "SignatureDoesNotMatch"])
def test_a_deployment_that_may_not_send_fails_loudly(code: str) -> None:
    with pytest.raises(CallRefusedError):
        answered(code, 403)


def test_no_client_asks_twice_on_its_own_for_what_would_then_be_sent_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    config = client("ses").meta.config
    assert config.retries["total_max_attempts"] == 1
    # An answer that is late is waited for, as long as the claim lasts.
    assert config.connect_timeout + config.read_timeout < CLAIM.total_seconds()
    assert config.read_timeout >= 15


def test_without_a_sender_nothing_is_sent() -> None:
    assert (
        NoMailer().send(Email("n", "ada@example.com", "s", "t")) == "not sent: no sender configured"
    )

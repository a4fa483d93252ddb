"""A deployment that names a sender sends e-mail; one that names none says that it does not."""

import boto3
import pytest
from botocore.stub import Stubber

from chalicelib.domain import DOMAIN
from chalicelib.leftfold.kernel import Email
from chalicelib.leftfold.policies.mailing import NoMailer, SesMailer
from chalicelib.leftfold.wiring.services import Services
from chalicelib.leftfold.wiring.settings import Settings

EMAIL = Email("n", "ada@example.com", "s", "t")


def services(**variables: str) -> Services:
    return Services(Settings({"LEFTFOLD_STACK": "test", **variables}), DOMAIN)


def test_a_deployment_with_a_sender_sends_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its sender it would answer "not sent" for each e-mail, and that answer is final:
    none would be sent again when the setting was mended.
    """
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    mailer = services(LEFTFOLD_MAIL_FROM="bank@example.com").mailer
    assert isinstance(mailer, SesMailer)
    assert mailer._sender == "bank@example.com"


@pytest.mark.parametrize("variables", [{}, {"LEFTFOLD_MAIL_FROM": ""}])
def test_a_deployment_without_a_sender_says_so(variables: dict[str, str]) -> None:
    mailer = services(**variables).mailer
    assert isinstance(mailer, NoMailer)
    assert mailer.send(EMAIL) == "not sent: no sender configured"


def test_what_ses_took_is_told_by_its_id() -> None:
    """The answer is the only trace from an e-mail that was decided to what SES did with it."""
    client = boto3.client(
        "ses",
        region_name="eu-central-1",
        aws_access_key_id="local",
        aws_secret_access_key="local",  # noqa: S106 - nobody asks for it
    )
    with Stubber(client) as stub:
        stub.add_response("send_email", {"MessageId": "0102"})
        assert SesMailer(client, "bank@example.com").send(EMAIL) == "sent: 0102"

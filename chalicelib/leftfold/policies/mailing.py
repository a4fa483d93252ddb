"""E-mail: what a policy's effects go through, by Amazon SES or nowhere."""

from typing import TYPE_CHECKING, Protocol

from botocore.exceptions import ClientError

from chalicelib.leftfold.kernel import Email
from chalicelib.leftfold.store.dynamo import translated
from chalicelib.leftfold.store.memory import OwnLock
from chalicelib.leftfold.store.ports import Unavailable

if TYPE_CHECKING:
    from mypy_boto3_ses import SESClient

# Errors of the account: whatever it sends is refused for now.
STOPPED = {
    "AccountSendingPausedException",
    "ConfigurationSetSendingPausedException",
    "LimitExceededException",
    "MailFromDomainNotVerifiedException",
    "Throttling",
    "ThrottlingException",
}
# Errors of this very message, whenever it is sent.
REFUSED = {"MessageRejected", "InvalidParameterValue", "ValidationError"}


class SendingStoppedError(Unavailable):
    """Nobody's e-mail is sent for now: that is no fault of a message."""


class Mailer(Protocol):
    """Sends e-mail."""

    def send(self, email: Email) -> str:
        """Sends it and returns the service's answer, which may be a refusal for ever.

        Raises `Unavailable` if it may be sent later, or if nobody knows whether it was, and
        `SendingStoppedError` if no other would be sent now either.
        """


class SesMailer:
    """`Mailer` on Amazon SES. It takes no idempotency token: who asks twice sends twice."""

    def __init__(self, client: "SESClient", sender: str) -> None:
        self._client = client
        self._sender = sender

    def send(self, email: Email) -> str:
        with translated():
            try:
                answer = self._client.send_email(
                    Source=self._sender,
                    Destination={"ToAddresses": [email.to]},
                    Message={
                        "Subject": {"Data": email.subject, "Charset": "UTF-8"},
                        "Body": {"Text": {"Data": email.text, "Charset": "UTF-8"}},
                    },
                )
            except ClientError as error:
                code, message = error.response["Error"]["Code"], error.response["Error"]["Message"]
                if code in STOPPED or self._is_unverified(message):
                    raise SendingStoppedError(f"{code}: {message}") from error
                if code not in REFUSED:
                    raise
                return f"refused: {code}: {message}"
        return f"sent: {answer['MessageId']}"

    def _is_unverified(self, message: str) -> bool:
        """Whether SES does not know the sender; in its sandbox an addressee may be meant."""
        return "not verified" in message and self._sender in message


class NoMailer:
    """`Mailer` of a deployment that has no sender: it sends nothing, and says so."""

    def send(self, email: Email) -> str:  # noqa: ARG002 - it goes nowhere
        return "not sent: no sender configured"


class MemoryMailer:
    """`Mailer` that keeps what it was given."""

    def __init__(self) -> None:
        self.sent: list[Email] = []
        self._lock = OwnLock()

    def send(self, email: Email) -> str:
        with self._lock:
            self.sent.append(email)
            return f"sent: {len(self.sent)}"

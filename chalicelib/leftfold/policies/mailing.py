"""E-mail, the effect of a policy outside the system: by Amazon SES, or not at all."""

from typing import TYPE_CHECKING, Protocol

from botocore.exceptions import ClientError

from chalicelib.leftfold.kernel import Email
from chalicelib.leftfold.store.dynamo import translated
from chalicelib.leftfold.store.memory import OwnLock
from chalicelib.leftfold.store.ports import Unavailable

if TYPE_CHECKING:
    from mypy_boto3_ses import SESClient

# SES refuses every e-mail of the AWS account for now.
STOPPED = {
    "AccountSendingPausedException",
    "ConfigurationSetSendingPausedException",
    "LimitExceededException",
    "MailFromDomainNotVerifiedException",
    "Throttling",
    "ThrottlingException",
}
# SES refuses this e-mail for ever.
REFUSED = {"MessageRejected", "InvalidParameterValue", "ValidationError"}


class SendingStoppedError(Unavailable):
    """No e-mail is sent for now, whatever its content and addressee."""


class Mailer(Protocol):
    """Sends e-mail."""

    def send(self, email: Email) -> str:
        """Sends *email* and returns the service's answer, which may be a refusal for ever.

        Raises `Unavailable` if the e-mail may be sent later, or may have been sent already,
        and `SendingStoppedError` if no other e-mail would be sent now.
        """


class SesMailer:
    """`Mailer` on Amazon SES, which has no idempotency token: a repeated call sends twice."""

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
                # SES repeats addresses in its messages: in the ledger of effects, in a parked
                # stream or in a log no erasure would find them.
                if code in STOPPED:
                    raise SendingStoppedError(code) from error
                if self._is_unverified(message):
                    raise SendingStoppedError(f"{code}: the sender is not verified") from error
                if code not in REFUSED:
                    raise
                return f"refused: {code}"
        return f"sent: {answer['MessageId']}"

    def _is_unverified(self, message: str) -> bool:
        """Whether the sender is not verified; in SES's sandbox it may be the addressee."""
        return "not verified" in message and self._sender in message


class NoMailer:
    """`Mailer` of a deployment without a sender: it sends no e-mail, and its answer says so."""

    def send(self, email: Email) -> str:  # noqa: ARG002 - it is not sent
        return "not sent: no sender configured"


class MemoryMailer:
    """`Mailer` that keeps the e-mails in memory."""

    def __init__(self) -> None:
        self.sent: list[Email] = []
        self._lock = OwnLock()

    def send(self, email: Email) -> str:
        with self._lock:
            self.sent.append(email)
            return f"sent: {len(self.sent)}"

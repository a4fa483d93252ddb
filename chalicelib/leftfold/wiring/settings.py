"""The settings of a deployment, from the environment of its functions."""

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

from chalicelib.leftfold.store.logs import log_names
from chalicelib.leftfold.store.ports import MAIN

# A deployment is made of three kinds of stacks, by what they outlive (docs/adr/0025-…). These names
# are of resources in the stage's stack and in the truth's; every other is in the application's.
IN_STAGE = frozenset(
    {"announcements", "control", "effects", "secrets", "subjects", "personal-data"}
)
IN_TRUTH = frozenset(
    {
        "events",
        "log",
        "bodies",
        "streams",
        "policy-checkpoints",
        "policy-parked",
        "applications",
        "archive",
        "bus",
    }
)
# Functions that run once for a truth, however many applications it has.
FUNCTIONS_OF_TRUTH = ("relay", "log_grew", "sweeper", "archive")


class SignIn(NamedTuple):
    """Where people sign in to the console: an issuer's endpoints, and the console's client there."""

    authorize: str
    token: str
    client: str
    scope: str

    @property
    def token_origin(self) -> str:
        """The origin of the token endpoint."""
        parts = urlsplit(self.token)
        return f"{parts.scheme}://{parts.netloc}"


class Settings:
    """The settings, by environment variable.

    LEFTFOLD_STACK is the application's name, with which the names of its functions, tables and
    indexes begin; the functions of a truth have none. LEFTFOLD_TRUTH and LEFTFOLD_STAGE are the
    names of truth and stage, which the first application of a stage shares with them.
    LEFTFOLD_SEARCH_ENDPOINT is the host of OpenSearch, and LEFTFOLD_SEARCH_SCHEME is https unless
    it is set. LEFTFOLD_MAIL_FROM is the sender of e-mail, verified in SES; without it no e-mail is
    sent. LEFTFOLD_ARCHIVE is the archive's bucket. LEFTFOLD_LOGS is the number of logs, 1 unless it
    is set: each group of tenants has a log of its own. LEFTFOLD_REPAIRS is "one" where one person may
    repair a commit alone. LEFTFOLD_EARLIER is the name of the truth that this
    one is filled from, LEFTFOLD_EARLIER_ARCHIVE its archive's bucket, LEFTFOLD_EARLIER_LOGS the number
    of its logs, and LEFTFOLD_ORDINAL the number of this generation, counted from the first one, which
    is 0.

    LEFTFOLD_ISSUER is the `iss` of access tokens, LEFTFOLD_JWKS the address of the issuer's keys,
    LEFTFOLD_AUDIENCE what a token's `aud`, or the `client_id` of one of Cognito, may be, separated
    by commas. LEFTFOLD_TENANT_CLAIM is the name of the claim that has the tenant.
    LEFTFOLD_ROLES is the table of IAM roles that may call the API, if requests are signed instead.
    LEFTFOLD_TENANT_RATE is how many requests a second each tenant may send, LEFTFOLD_FEED_SEATS how
    many the function `feed` serves of each at a time, and LEFTFOLD_WAIT_SEATS how many may wait for a
    view at a time; 0 for any number.
    LEFTFOLD_SIGN_IN and LEFTFOLD_SIGN_IN_TOKEN are the issuer's authorisation and token endpoints,
    and LEFTFOLD_CONSOLE is the console's client; without them people paste a token there.
    LEFTFOLD_SIGN_IN_SCOPE is what the console asks for, "openid" unless it is set.
    LEFTFOLD_CORS_ORIGINS are the sites, separated by commas, whose pages may call the API.
    LEFTFOLD_MOVED_TO is the address of the application that has taken the place of this one.

    LEFTFOLD_OTLP_ENDPOINT is the address of a collector of OpenTelemetry; without it no spans are
    made. LEFTFOLD_OTLP_HEADERS are the headers that it asks for, as name=value, separated by commas.
    """

    def __init__(self, variables: Mapping[str, str], log: str = MAIN) -> None:
        self._variables = variables
        # The log that the services of these settings read and write; its name is in the keys of
        # all its items, so that logs share tables.
        self.log = log

    def in_log(self, name: str) -> "Settings":
        """The same settings, for another log."""
        return Settings(self._variables, name)

    @property
    def stack(self) -> str:
        return self._get("LEFTFOLD_STACK")

    @property
    def is_truth(self) -> bool:
        """Whether these are the settings of a truth's functions, which belong to no application."""
        return "LEFTFOLD_TRUTH" in self._variables and "LEFTFOLD_STACK" not in self._variables

    @property
    def truth(self) -> str:
        return self._variables.get("LEFTFOLD_TRUTH") or self.stack

    @property
    def stage(self) -> str:
        return self._variables.get("LEFTFOLD_STAGE") or self.stack

    @property
    def search_url(self) -> str:
        scheme = self._variables.get("LEFTFOLD_SEARCH_SCHEME", "https")
        return f"{scheme}://{self._get('LEFTFOLD_SEARCH_ENDPOINT')}"

    @property
    def mail_from(self) -> str | None:
        return self._variables.get("LEFTFOLD_MAIL_FROM") or None

    @property
    def personal_data_key(self) -> str:
        """The alias of the KMS key that wraps the keys of personal data."""
        return f"alias/{self.named('personal-data')}"

    @property
    def repairs_need_two(self) -> bool:
        """Whether a second person has to approve each repair: unless LEFTFOLD_REPAIRS is "one"."""
        return self._variables.get("LEFTFOLD_REPAIRS") != "one"

    @property
    def logs(self) -> tuple[str, ...]:
        """The names of all logs of the truth."""
        return log_names(int(self._variables.get("LEFTFOLD_LOGS") or 1))

    @property
    def archive(self) -> str:
        """The archive's bucket, named by default like the truth's other resources."""
        return self._variables.get("LEFTFOLD_ARCHIVE") or self.named("archive")

    @property
    def earlier(self) -> str | None:
        """The truth of the generation before this one; None for a generation without one."""
        return self._variables.get("LEFTFOLD_EARLIER") or None

    @property
    def earlier_archive(self) -> str:
        return self._variables.get("LEFTFOLD_EARLIER_ARCHIVE") or f"{self.earlier}-archive"

    @property
    def earlier_logs(self) -> tuple[str, ...]:
        """The names of all logs of that truth."""
        return log_names(int(self._variables.get("LEFTFOLD_EARLIER_LOGS") or 1))

    @property
    def ordinal(self) -> int:
        return int(self._variables.get("LEFTFOLD_ORDINAL") or bool(self.earlier))

    @property
    def issuer(self) -> str:
        return self._get("LEFTFOLD_ISSUER")

    @property
    def jwks(self) -> str:
        return self._get("LEFTFOLD_JWKS")

    @property
    def audience(self) -> frozenset[str]:
        named = self._get("LEFTFOLD_AUDIENCE").split(",")
        return frozenset(one.strip() for one in named if one.strip())

    @property
    def roles(self) -> str:
        """The table of the IAM roles that may call, as `access.roles` writes it; "" takes tokens."""
        return self._variables.get("LEFTFOLD_ROLES", "")

    @property
    def sign_in(self) -> SignIn | None:
        names = ("LEFTFOLD_SIGN_IN", "LEFTFOLD_SIGN_IN_TOKEN", "LEFTFOLD_CONSOLE")
        authorize, token, client = (self._variables.get(name, "") for name in names)
        scope = self._variables.get("LEFTFOLD_SIGN_IN_SCOPE") or "openid"
        if not (authorize and token and client):
            return None
        return SignIn(authorize, token, client, scope)

    @property
    def tenant_claim(self) -> str:
        return self._variables.get("LEFTFOLD_TENANT_CLAIM") or "tenant"

    @property
    def tenant_rate(self) -> int:
        return int(self._variables.get("LEFTFOLD_TENANT_RATE") or 0)

    @property
    def feed_seats(self) -> int:
        return int(self._variables.get("LEFTFOLD_FEED_SEATS") or 0)

    @property
    def wait_seats(self) -> int:
        return int(self._variables.get("LEFTFOLD_WAIT_SEATS") or 0)

    @property
    def cors_origins(self) -> frozenset[str]:
        named = self._variables.get("LEFTFOLD_CORS_ORIGINS", "").split(",")
        return frozenset(one.strip() for one in named if one.strip())

    @property
    def moved_to(self) -> str | None:
        return self._variables.get("LEFTFOLD_MOVED_TO") or None

    @property
    def otlp_endpoint(self) -> str:
        return self._variables.get("LEFTFOLD_OTLP_ENDPOINT", "")

    @property
    def otlp_headers(self) -> Mapping[str, str]:
        pairs = self._variables.get("LEFTFOLD_OTLP_HEADERS", "").split(",")
        parted = (pair.partition("=") for pair in pairs)
        return {name.strip(): value.strip() for name, _, value in parted if name.strip()}

    def named(self, resource: str) -> str:
        """The name of a table, an index or a stream, in the stack that has it."""
        name = resource.replace("_", "-")
        if name in IN_STAGE:
            return f"{self.stage}-{name}"
        return f"{self.truth if name in IN_TRUTH else self.stack}-{name}"

    def function(self, name: str) -> str:
        """The name of a Lambda function, as `chalice deploy` would name it."""
        return f"{self.truth if name in FUNCTIONS_OF_TRUTH else self.stack}-{name}"

    def _get(self, name: str) -> str:
        try:
            return self._variables[name]
        except KeyError:
            raise LookupError(
                f"the environment variable {name} is not set; infra/resources.json sets it"
            ) from None

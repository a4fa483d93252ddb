"""The settings of a deployment, from the environment of its functions."""

from collections.abc import Mapping


class Settings:
    """The settings, by environment variable.

    LEFTFOLD_STACK is the stack's name, with which the names of all its resources begin.
    LEFTFOLD_SEARCH_ENDPOINT is the host of OpenSearch, and LEFTFOLD_SEARCH_SCHEME is https
    unless it is set. LEFTFOLD_MAIL_FROM is the sender of e-mail, verified in SES; without
    it no e-mail is sent. LEFTFOLD_ARCHIVE is the archive's bucket.
    """

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables

    @property
    def stack(self) -> str:
        return self._get("LEFTFOLD_STACK")

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
    def archive(self) -> str:
        """The archive's bucket, named by default like the stack's other resources."""
        return self._variables.get("LEFTFOLD_ARCHIVE") or self.named("archive")

    def named(self, resource: str) -> str:
        """The name of a table, index, stream or function of this deployment."""
        return f"{self.stack}-{resource.replace('_', '-')}"

    def _get(self, name: str) -> str:
        try:
            return self._variables[name]
        except KeyError:
            raise LookupError(
                f"the environment variable {name} is not set; infra/resources.json sets it"
            ) from None

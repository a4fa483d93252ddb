"""The settings of a deployment, from the environment of its functions."""

from collections.abc import Mapping


class Settings:
    """What a deployment tells its functions.

    LEFTFOLD_STACK is the stack's name, with which every table and function begins;
    LEFTFOLD_SEARCH_URL is where OpenSearch answers; LEFTFOLD_MAIL_FROM is the address,
    verified in SES, that e-mail comes from: without it none is sent. LEFTFOLD_ARCHIVE is
    the bucket of what has left the tables.
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
    def archive(self) -> str:
        """The bucket: LEFTFOLD_ARCHIVE, for names of buckets are the whole world's."""
        return self._variables.get("LEFTFOLD_ARCHIVE") or self.named("archive")

    def named(self, resource: str) -> str:
        """The name of a table, index, stream or function of this deployment."""
        return f"{self.stack}-{resource.replace('_', '-')}"

    def _get(self, name: str) -> str:
        try:
            return self._variables[name]
        except KeyError:
            raise LookupError(f"{name} is not set; infra/resources.json sets it") from None

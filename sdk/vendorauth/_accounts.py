"""Name accounts where the user does not."""

from __future__ import annotations

from yarl import URL

from vendorauth.errors import ConfigurationError
from vendorauth.tokens import CredentialsSource, PasswordCredentials


def account_name(
    given: str | None, credentials: CredentialsSource, vendor: str, base_url: URL, *parts: str, variant: str = ""
) -> str:
    """
    Give *given*, or a name made of vendor, base URL, *parts*, the user name, and a *variant* that is not the default.

    Raises:
        ConfigurationError: There is no user name to make one of.
    """
    if given is not None:
        if not given:
            message = "account is empty"
            raise ConfigurationError(message)
        return given
    if not isinstance(credentials, PasswordCredentials):
        message = "account must be given where there is no user name: it names the token in the store"
        raise ConfigurationError(message)
    return "|".join(part for part in (vendor, str(base_url), *parts, credentials.username, variant) if part)

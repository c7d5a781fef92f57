"""Names of accounts where the user gives none."""

import pytest
from yarl import URL

from vendorauth._accounts import account_name
from vendorauth.errors import ConfigurationError
from vendorauth.tokens import CredentialsSource, PasswordCredentials, RefreshTokenCredentials

URL_ = URL("https://api.example.com/latest")
JANE = PasswordCredentials("jane@example.com", "MARK")


async def ask() -> PasswordCredentials:
    return JANE


def test_default() -> None:
    """Vendor, base URL, customer and user name make the name; what holds no secret may be shown."""
    expected = "proglove|https://api.example.com/latest|demo0001|jane@example.com"
    assert expected == account_name(None, JANE, "proglove", URL_, "demo0001")


def test_variant() -> None:
    """A token of another kind is another record."""
    assert "protogrid|https://api.example.com/latest|jane@example.com|basic" == account_name(
        None, JANE, "protogrid", URL_, variant="basic"
    )


@pytest.mark.parametrize("credentials", [JANE, RefreshTokenCredentials("MARK"), ask, None])
def test_given(credentials: CredentialsSource) -> None:
    """A given name is taken as it is, whatever the credentials."""
    assert "mine" == account_name("mine", credentials, "proglove", URL_, variant="access")


@pytest.mark.parametrize("credentials", [RefreshTokenCredentials("MARK"), ask, None])
def test_no_user_name(credentials: CredentialsSource) -> None:
    """Without a user name there is nothing to make a name of."""
    with pytest.raises(ConfigurationError, match=r"^account must be given where there is no user name") as caught:
        account_name(None, credentials, "proglove", URL_)
    assert "MARK" not in str(caught.value)


def test_empty() -> None:
    """An empty name is a mistake, not "none given"."""
    with pytest.raises(ConfigurationError, match=r"^account is empty$"):
        account_name("", JANE, "proglove", URL_)

"""Settings from environment variables."""

import pytest

from vendorauth._environment import credentials_from, optional, required
from vendorauth.errors import ConfigurationError
from vendorauth.tokens import Credentials, PasswordCredentials, RefreshTokenCredentials


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("USERNAME", "PASSWORD", "REFRESH_TOKEN", "BASE_URL"):
        monkeypatch.delenv(f"VENDOR_{name}", raising=False)


def test_required(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that is set is given as it is, blanks included."""
    monkeypatch.setenv("VENDOR_BASE_URL", " x ")
    assert " x " == required("VENDOR", "BASE_URL") == optional("VENDOR", "BASE_URL")


def test_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is not set, or empty, is named in the error."""
    for _ in range(2):
        assert optional("VENDOR", "BASE_URL") is None
        with pytest.raises(ConfigurationError, match=r"^the environment variable VENDOR_BASE_URL is not set$"):
            required("VENDOR", "BASE_URL")
        monkeypatch.setenv("VENDOR_BASE_URL", "")


@pytest.mark.parametrize(
    ("expected", "variables"),
    [
        (None, {}),
        (PasswordCredentials("a", "b"), {"USERNAME": "a", "PASSWORD": "b"}),
        (RefreshTokenCredentials("c"), {"REFRESH_TOKEN": "c"}),
        (RefreshTokenCredentials("c"), {"REFRESH_TOKEN": "c", "USERNAME": "a", "PASSWORD": "b"}),
        (PasswordCredentials("a", "b"), {"REFRESH_TOKEN": "", "USERNAME": "a", "PASSWORD": "b"}),
    ],
)
def test_credentials(expected: Credentials | None, variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A refresh token comes first, then user name and password; without any there are no credentials."""
    for name, value in variables.items():
        monkeypatch.setenv(f"VENDOR_{name}", value)
    assert expected == credentials_from("VENDOR")


@pytest.mark.parametrize(("given", "missing"), [("USERNAME", "PASSWORD"), ("PASSWORD", "USERNAME")])
def test_half_of_the_credentials(given: str, missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of the two alone is a mistake; the error names what is missing and shows nothing."""
    monkeypatch.setenv(f"VENDOR_{given}", "MARK")
    with pytest.raises(ConfigurationError) as caught:
        credentials_from("VENDOR")
    assert f"the environment variable VENDOR_{missing} is not set" == str(caught.value)

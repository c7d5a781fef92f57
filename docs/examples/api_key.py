from collections.abc import Mapping
from datetime import datetime

from attrs import frozen
from yarl import URL

from vendorauth import (
    BaseLoginFlow,
    Challenge,
    ConfigurationError,
    Credentials,
    Flow,
    ReauthenticationRequired,
    RefreshTokenCredentials,
    Request,
    Token,
)
from vendorauth.flows import raise_for_refusal, read, token_from, wire


@frozen
class Issued:
    token: str = wire("accessToken", secret=True)


class ApiKeyFlow(BaseLoginFlow):
    """Exchange an API key for a JWT of some minutes; the key is ``RefreshTokenCredentials(api_key)``."""

    logs_in_ahead = True

    def __init__(self, base_url: str, *, account: str) -> None:
        self.base_url, self.account = URL(base_url.rstrip("/")), account

    def login(self, credentials: Credentials, *, now: datetime) -> Flow[Token | Challenge]:
        if not isinstance(credentials, RefreshTokenCredentials):
            raise ConfigurationError("log in with RefreshTokenCredentials(api_key)")
        request = Request.json(self.base_url / "auth" / "token", {"api_key": credentials.refresh_token})
        response = yield request
        raise_for_refusal(response, request.label, ReauthenticationRequired, now=now)
        # The JWT says how long it lives.
        return token_from(read(response, Issued, request.label).token, request.label, now=now)

    def headers(self, token: Token) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {token.value}"}

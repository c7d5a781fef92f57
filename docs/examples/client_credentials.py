from collections.abc import Mapping
from datetime import datetime

from attrs import evolve, field, frozen
from yarl import URL

from vendorauth import (
    BaseLoginFlow,
    Challenge,
    ConfigurationError,
    Credentials,
    Flow,
    InvalidCredentials,
    PasswordCredentials,
    ReauthenticationRequired,
    Request,
    Response,
    Token,
)
from vendorauth.flows import Seconds, raise_for_refusal, read, token_from


@frozen
class Grant:
    access_token: str = field(repr=False)
    expires_in: Seconds | None = None
    refresh_token: str | None = field(default=None, repr=False)


class ClientCredentialsFlow(BaseLoginFlow):
    """Log in with OAuth2 client credentials: the user name is the client id, the password the client secret."""

    logs_in_ahead = True

    def __init__(self, base_url: str, *, account: str) -> None:
        self.base_url, self.account = URL(base_url.rstrip("/")), account
        self.token_url = self.base_url / "oauth" / "token"

    def login(self, credentials: Credentials, *, now: datetime) -> Flow[Token | Challenge]:
        if not isinstance(credentials, PasswordCredentials):
            raise ConfigurationError("log in with PasswordCredentials(client_id, client_secret)")
        request = Request.form(
            self.token_url,
            {
                "grant_type": "client_credentials",
                "client_id": credentials.username,
                "client_secret": credentials.password,
            },
        )
        return self._token(request, (yield request), now=now)

    def refresh(self, token: Token, *, now: datetime) -> Flow[Token]:
        if not token.refresh_token:
            raise ReauthenticationRequired("this token came without a refresh token")
        request = Request.form(self.token_url, {"grant_type": "refresh_token", "refresh_token": token.refresh_token})
        return self._token(request, (yield request), token, now=now)

    def headers(self, token: Token) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {token.value}"}

    def _token(self, request: Request, response: Response, old: Token | None = None, *, now: datetime) -> Token:
        raise_for_refusal(response, request.label, ReauthenticationRequired if old else InvalidCredentials, now=now)
        grant = read(response, Grant, request.label)
        token = token_from(grant.access_token, request.label, now=now, expires_in=grant.expires_in)
        return evolve(token, refresh_token=grant.refresh_token or (old.refresh_token if old else None))

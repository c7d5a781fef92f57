"""Log in to vendors' APIs, stay logged in, and send authenticated requests."""

from vendorauth._version import __version__
from vendorauth.client import ApiClient, ClientOptions
from vendorauth.engine.clock import Clock
from vendorauth.engine.exchange import Send
from vendorauth.engine.policy import RefreshPolicy
from vendorauth.engine.setup import OnChallenge, OnEvent
from vendorauth.engine.source import TokenSource
from vendorauth.engine.status import SourceStatus
from vendorauth.errors import (
    ApiError,
    AuthError,
    AuthServiceUnavailable,
    ChallengeRequired,
    ConfigurationError,
    InvalidCredentials,
    NotFound,
    PermissionDenied,
    ProtocolError,
    RateLimited,
    ReauthenticationRequired,
    RequestTimeout,
    ServerError,
    StoreConflict,
    StoreError,
    StoreLockTimeout,
    StoreUnavailable,
    StoreUnreadable,
    TransportError,
    Unauthorized,
    VendorAuthError,
)
from vendorauth.events import (
    ChallengeRaised,
    LoggedOut,
    LoginRefused,
    RenewalFailed,
    Renewed,
    Replayed,
    StoreTrouble,
    TokenEvent,
)
from vendorauth.flows import BaseLoginFlow, LoginFlow
from vendorauth.messages import Flow, Request, Response
from vendorauth.proglove import ProGloveClient
from vendorauth.protogrid import ProtogridClient, ProtogridResponse
from vendorauth.responses import ApiResponse
from vendorauth.stores import FileTokenStore, MemoryTokenStore, TokenStore
from vendorauth.tokens import (
    Challenge,
    Credentials,
    CredentialsSource,
    PasswordCredentials,
    RefreshTokenCredentials,
    Token,
)

__all__ = [
    "ApiClient",
    "ApiError",
    "ApiResponse",
    "AuthError",
    "AuthServiceUnavailable",
    "BaseLoginFlow",
    "Challenge",
    "ChallengeRaised",
    "ChallengeRequired",
    "ClientOptions",
    "Clock",
    "ConfigurationError",
    "Credentials",
    "CredentialsSource",
    "FileTokenStore",
    "Flow",
    "InvalidCredentials",
    "LoggedOut",
    "LoginFlow",
    "LoginRefused",
    "MemoryTokenStore",
    "NotFound",
    "OnChallenge",
    "OnEvent",
    "PasswordCredentials",
    "PermissionDenied",
    "ProGloveClient",
    "ProtocolError",
    "ProtogridClient",
    "ProtogridResponse",
    "RateLimited",
    "ReauthenticationRequired",
    "RefreshPolicy",
    "RefreshTokenCredentials",
    "RenewalFailed",
    "Renewed",
    "Replayed",
    "Request",
    "RequestTimeout",
    "Response",
    "Send",
    "ServerError",
    "SourceStatus",
    "StoreConflict",
    "StoreError",
    "StoreLockTimeout",
    "StoreTrouble",
    "StoreUnavailable",
    "StoreUnreadable",
    "Token",
    "TokenEvent",
    "TokenSource",
    "TokenStore",
    "TransportError",
    "Unauthorized",
    "VendorAuthError",
    "__version__",
]

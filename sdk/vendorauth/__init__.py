"""
Log in to vendors' APIs, stay logged in, and send authenticated requests.

Each name is imported when it is first asked for: the command, whose modules are below this package, is quick to start.

.. PYTEST_DONT_REWRITE: else pytest, which finds a plugin here, warns whoever imports this package before it starts.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from vendorauth._version import __version__

if TYPE_CHECKING:
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
else:
    _HOMES = {
        "client": "ApiClient ClientOptions",
        "engine.clock": "Clock",
        "engine.exchange": "Send",
        "engine.policy": "RefreshPolicy",
        "engine.setup": "OnChallenge OnEvent",
        "engine.source": "TokenSource",
        "engine.status": "SourceStatus",
        "errors": "ApiError AuthError AuthServiceUnavailable ChallengeRequired ConfigurationError InvalidCredentials NotFound PermissionDenied ProtocolError RateLimited ReauthenticationRequired RequestTimeout ServerError StoreConflict StoreError StoreLockTimeout StoreUnavailable StoreUnreadable TransportError Unauthorized VendorAuthError",
        "events": "ChallengeRaised LoggedOut LoginRefused RenewalFailed Renewed Replayed StoreTrouble TokenEvent",
        "flows": "BaseLoginFlow LoginFlow",
        "messages": "Flow Request Response",
        "proglove": "ProGloveClient",
        "protogrid": "ProtogridClient ProtogridResponse",
        "responses": "ApiResponse",
        "stores": "FileTokenStore MemoryTokenStore TokenStore",
        "tokens": "Challenge Credentials CredentialsSource PasswordCredentials RefreshTokenCredentials Token",
    }
    _MODULES = {name: module for module, names in _HOMES.items() for name in names.split()}

    def __getattr__(name: str) -> object:
        if name not in _MODULES:
            message = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(message)
        found = globals()[name] = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
        return found

    def __dir__() -> list[str]:
        return sorted({*globals(), *_MODULES})


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

import logging
import os
from math import ceil
from typing import Any

from vendorauth import (
    AuthError,
    ConfigurationError,
    NotFound,
    PermissionDenied,
    RequestTimeout,
    StoreError,
    TokenSource,
    VendorAuthError,
)

Answer = tuple[dict[str, Any], int, dict[str, str]]  # JSON, status, headers
STATUSES: list[tuple[type[VendorAuthError], int]] = [
    (NotFound, 404),
    (PermissionDenied, 403),
    (RequestTimeout, 504),
    (ConfigurationError, 500),
]
PAUSE = 5  # seconds, where the vendor names none
log = logging.getLogger(__name__)


def answer_to(error: VendorAuthError, *, login: int = 502) -> Answer:
    """Tell a caller of *error*; with the status *login* where somebody has to log in at the vendor again."""
    # The text has no secret, but the account and the vendor's paths: it is not for callers.
    log.warning("%s: %s", type(error).__name__, error)
    body = {"error": type(error).__name__}
    for kind, status in STATUSES:
        if isinstance(error, kind):
            return body, status, {}
    if error.temporary:
        return body, 503, {"Retry-After": str(ceil(getattr(error, "retry_after", None) or PAUSE))}
    if isinstance(error, AuthError):
        return body, login, {}
    return body, 500 if isinstance(error, StoreError) else 502, {}


def health_of(tokens: TokenSource) -> Answer:
    """Tell how a login is doing in this worker; nobody is asked for it."""
    status = tokens.status()
    return {"worker": os.getpid(), **status.to_json()}, 503 if status.health == "down" else 200, {}

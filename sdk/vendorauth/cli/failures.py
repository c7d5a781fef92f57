"""
Tell what went wrong in one line, with what to do about it, and choose the exit code.

Exit codes: 0 done, 1 it did not work, 2 usage or settings, 3 a login is needed, 4 the vendor refused, 5 the vendor can't
be reached or can't serve now, 130 stopped by Ctrl-C.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

from vendorauth.errors import (
    ApiError,
    AuthError,
    AuthServiceUnavailable,
    ChallengeRequired,
    ConfigurationError,
    InvalidCredentials,
    NotFound,
    PermissionDenied,
    ReauthenticationRequired,
    StoreError,
    VendorAuthError,
)

FAILED: Final = 1
USAGE: Final = 2
LOGIN_NEEDED: Final = 3
REFUSED: Final = 4
UNREACHABLE: Final = 5
STOPPED: Final = 130

_CODES: Final[tuple[tuple[type[VendorAuthError], int], ...]] = (
    (ConfigurationError, USAGE),
    (ReauthenticationRequired, LOGIN_NEEDED),
    (ChallengeRequired, LOGIN_NEEDED),
    (StoreError, FAILED),
)
_LOG_IN: Final = "log in with `vendorauth login {profile}`"
_EXAMINE: Final = "`vendorauth doctor {profile}` looks for the cause"
_ADVICE: Final[tuple[tuple[type[VendorAuthError], str], ...]] = (
    (ReauthenticationRequired, _LOG_IN),
    (ChallengeRequired, _LOG_IN),
    (InvalidCredentials, "check what was typed, or ask whoever manages the users"),
    (AuthServiceUnavailable, "try again later"),
    (AuthError, _EXAMINE),
    (PermissionDenied, "this user may not do that: ask whoever manages the users"),
    (NotFound, "check the path"),
    (StoreError, _EXAMINE),
)


@contextmanager
def naming(profile: str) -> Generator[None]:
    """Let errors know which *profile* they are about, for the advice that is given with them."""
    try:
        yield
    except VendorAuthError as error:
        error.add_note(profile)
        raise


def exit_code(error: VendorAuthError) -> int:
    """Give the exit code for *error*."""
    for kind, code in _CODES:
        if isinstance(error, kind):
            return code
    return UNREACHABLE if error.temporary else REFUSED


def sentence(error: VendorAuthError) -> str:
    """Say what is wrong, and what to do, in one line."""
    profile = next(iter(getattr(error, "__notes__", [])), "PROFILE")
    advice = _advice(error)
    text = f"{error}: {advice.format(profile=profile)}" if advice else str(error)
    return one_line(text)


def one_line(text: str) -> str:
    """Make one line of *text*, without what a terminal would obey."""
    return "".join(sign if sign.isprintable() else " " for sign in text)


def tell(error: Exception, *, debug: bool) -> int:
    """
    Print *error* on the standard error, and give the exit code; with *debug*, where it came from as well.

    What is neither this package's nor the system's is a mistake of ours, and raised as it is.
    """
    if isinstance(error, VendorAuthError):
        text, code = sentence(error), exit_code(error)
    elif isinstance(error, OSError):
        text, code = one_line(str(error)), FAILED
    else:
        raise error
    if debug:
        sys.stderr.write("".join(traceback.format_exception(error)) + _facts(error))
    sys.stderr.write(f"vendorauth: {text}\n")
    return code


def _advice(error: VendorAuthError) -> str:
    for kind, advice in _ADVICE:
        if isinstance(error, kind):
            return advice
    if not error.temporary:
        return ""
    return "try again later" if isinstance(error, ApiError) else _EXAMINE


def _facts(error: Exception) -> str:
    """Give what a vendor's support asks for."""
    names = ("status", "code", "request_id", "retry_after", "sent")
    known = {name: getattr(error, name, None) for name in names}
    return "".join(f"{name}: {one_line(str(value))}\n" for name, value in known.items() if value is not None)

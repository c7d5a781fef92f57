"""Every error: in its place, for every way that exceptions travel, and showing nothing but its sentence."""

import copy
import pickle
import traceback
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import attrs
import pytest

import vendorauth
from vendorauth import errors
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
    own_copy,
)
from vendorauth.tokens import Challenge

CHALLENGE = Challenge(
    name="SMS_MFA", account="jane", hidden={"session": "MARK"}, expires_at=datetime(2026, 1, 1, tzinfo=UTC)
)
API = ("GET /x: 400 Bad Request", 400, "MARK-code", "MARK-id", ["MARK-item"], 1.5)
API_ATTRIBUTES = {"status": 400, "code": "MARK-code", "request_id": "MARK-id", "errors": ["MARK-item"]}
AUTH = ("no", "MARK-code", "MARK-id")

# Class, its arguments, the attributes that come of them, and whether the same call later is worth a try.
ALL: list[tuple[type[VendorAuthError], tuple[Any, ...], dict[str, Any], bool]] = [
    (VendorAuthError, ("no",), {}, False),
    (ConfigurationError, ("no",), {}, False),
    (TransportError, ("no", False), {"sent": False}, True),
    (RequestTimeout, ("no", False), {"sent": False}, True),
    (ProtocolError, ("no",), {}, True),
    (AuthError, AUTH, {"code": "MARK-code", "request_id": "MARK-id"}, False),
    (InvalidCredentials, AUTH, {"code": "MARK-code", "request_id": "MARK-id"}, False),
    (ChallengeRequired, (CHALLENGE,), {"challenge": CHALLENGE, "code": "SMS_MFA", "request_id": None}, False),
    (ReauthenticationRequired, AUTH, {"code": "MARK-code", "request_id": "MARK-id"}, False),
    (AuthServiceUnavailable, (*AUTH, 2.5), {"code": "MARK-code", "request_id": "MARK-id", "retry_after": 2.5}, True),
    (ApiError, API, API_ATTRIBUTES, False),
    (Unauthorized, API, API_ATTRIBUTES, False),
    (PermissionDenied, API, API_ATTRIBUTES, False),
    (NotFound, API, API_ATTRIBUTES, False),
    (RateLimited, API, API_ATTRIBUTES | {"retry_after": 1.5}, True),
    (ServerError, API, API_ATTRIBUTES | {"retry_after": 1.5}, True),
    (StoreError, ("no",), {}, False),
    (StoreUnreadable, ("no",), {}, False),
    (StoreConflict, ("no",), {}, True),
    (StoreLockTimeout, ("no",), {}, True),
    (StoreUnavailable, ("no",), {}, True),
]
EACH = pytest.mark.parametrize(
    ("kind", "arguments", "attributes", "temporary"), ALL, ids=[one.__name__ for one, *_ in ALL]
)


def drawn() -> dict[str, str]:
    """Read the tree in the docstring: each class and its parent."""
    assert errors.__doc__ is not None
    lines = [line for line in errors.__doc__.splitlines() if "──" in line or line.strip().startswith("VendorAuthError")]
    parents: list[str] = []
    tree: dict[str, str] = {}
    for line in lines:
        name = line.lstrip(" │├└─").split()[0].partition("(")[0]
        depth = (len(line) - len(line.lstrip(" │├└─"))) // 4 - 1
        parents[depth:] = [name]
        if depth:
            tree[name] = parents[depth - 1]
    return tree


def test_the_tree_is_as_drawn() -> None:
    """The docstring shows every class below the root, each below its parent."""
    classes = {kind.__name__: kind.__base__ for kind, *_ in ALL}
    real = {name: "" if base is None else base.__name__ for name, base in classes.items() if name != "VendorAuthError"}
    real["ConfigurationError"] = "VendorAuthError"
    assert real == drawn()
    assert Exception is VendorAuthError.__base__
    assert (VendorAuthError, ValueError) == ConfigurationError.__bases__


def test_all_of_them_are_public() -> None:
    """The table of this file is complete, and every class can be imported from the package itself."""
    defined = {one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, VendorAuthError)}
    assert defined == {kind for kind, *_ in ALL}
    assert all(getattr(vendorauth, kind.__name__) is kind for kind in defined)


@EACH
def test_attributes(
    kind: type[VendorAuthError], arguments: tuple[Any, ...], attributes: dict[str, Any], temporary: bool
) -> None:
    """Positional arguments become attributes; ``temporary`` tells whether to try again later."""
    error = kind(*arguments)
    assert attributes == {name: getattr(error, name) for name in attributes}
    assert temporary is kind.temporary is error.temporary


@EACH
def test_copies_and_pickles(
    kind: type[VendorAuthError], arguments: tuple[Any, ...], attributes: dict[str, Any], temporary: bool
) -> None:
    """An error survives copy and pickle with all its attributes, as worker processes need; no secret is pickled."""
    error = kind(*arguments)
    pickled = pickle.dumps(error)
    bare = kind(attrs.evolve(CHALLENGE, hidden={})) if kind is ChallengeRequired else error
    copies = [(error, copy.copy(error)), (error, copy.deepcopy(error)), (error, own_copy(error))]
    for like, twin in (*copies, (bare, pickle.loads(pickled))):
        assert twin is not error
        assert kind is type(twin)
        assert (like.args, vars(like), str(like)) == (twin.args, vars(twin), str(twin))
    assert b"MARK" not in pickled or kind is not ChallengeRequired


@EACH
def test_shows_its_sentence_only(
    kind: type[VendorAuthError], arguments: tuple[Any, ...], attributes: dict[str, Any], temporary: bool
) -> None:
    """The text and the repr are the sentence; what a vendor sent is in attributes only."""
    error = kind(*arguments)
    sentence = "jane: the vendor asks for SMS_MFA" if kind is ChallengeRequired else arguments[0]
    assert sentence == str(error)
    assert f"{kind.__name__}({sentence!r})" == repr(error)
    assert "MARK" not in "".join(traceback.format_exception(error))


def test_defaults() -> None:
    """What a vendor did not say is ``None``; a request is taken for sent unless it certainly was not."""
    assert "" == str(VendorAuthError())
    assert TransportError("no").sent
    assert (None, None) == (AuthError("no").code, AuthError("no").request_id)
    assert AuthServiceUnavailable("no").retry_after is None
    error = ApiError("no", 418)
    assert (None, None, (), None) == (error.code, error.request_id, error.errors, error.retry_after)


def raised(error: VendorAuthError) -> VendorAuthError:
    try:
        raise own_copy(error)
    except VendorAuthError as caught:
        return caught


def test_own_copy_grows_no_traceback() -> None:
    """Handed out a thousand times, neither the error nor any copy collects frames (gotcha: 2,000 after 1,000)."""
    error = StoreUnavailable("no")
    copies = [raised(error) for _ in range(1000)]
    assert error.__traceback__ is None
    assert {1} == {len(traceback.extract_tb(one.__traceback__)) for one in copies}
    assert 1000 == len({id(one) for one in copies})


def test_own_copy_keeps_the_cause() -> None:
    """The cause goes along; what was being handled where the copy is raised is not shown as its context."""
    error = StoreUnavailable("no")
    error.__cause__ = OSError("disk")
    twin = VendorAuthError()
    with suppress(KeyError):
        try:
            dict[str, int]().pop("missing")
        finally:
            twin = raised(error)
    assert isinstance(twin.__context__, KeyError)
    assert error.__cause__ is twin.__cause__
    assert "KeyError" not in "".join(traceback.format_exception(twin))


class TheirError(StoreError):
    """A user's own, whose constructor takes something else than what it hands on."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(f"no store at {host}")
        self.port = port


def test_own_copy_of_a_users_error() -> None:
    """A subclass that can't be copied in the ordinary way (gotcha: pickles, does not unpickle) is copied all the same."""
    error = TheirError("localhost", 6379)
    twin = own_copy(error)
    assert (TheirError, 6379, "no store at localhost") == (type(twin), twin.port, str(twin))
    assert twin is not error


def test_own_copy_is_independent() -> None:
    """What one caller adds to its copy, no other sees."""
    error = ServerError("no", 500)
    twin = own_copy(error)
    twin.add_note("mine")
    twin.status = 501
    assert 500 == error.status
    assert not hasattr(error, "__notes__")

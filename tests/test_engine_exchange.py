"""Running a flow within a deadline, and repeating a refresh whose answer was lost (rules 4 and 9a)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import pytest

from vendorauth.engine.exchange import FIRST_TRY, Exchange
from vendorauth.errors import (
    AuthServiceUnavailable,
    ConfigurationError,
    InvalidCredentials,
    ProtocolError,
    ReauthenticationRequired,
    RequestTimeout,
    TransportError,
    VendorAuthError,
)
from vendorauth.messages import Flow, Request, Response

LOST = TransportError("POST /token: the connection was lost")
NOT_SENT = TransportError("POST /token: can't connect", False)
TIMED_OUT = RequestTimeout("POST /token: no answer in time")
UNREADABLE = ProtocolError("POST /token: the answer is not proper HTTP")
NO_JSON = ProtocolError("POST /token: the answer is not JSON")
BUSY = AuthServiceUnavailable("POST /token: 503", "Busy", "MARK")
REFUSED = ReauthenticationRequired("POST /token: 400", "Refused")
HANG = object()
LONG = 60.0


class Vendor:
    """Answer requests by a script of responses, errors and hangs, and note them."""

    def __init__(self, *script: object) -> None:
        self._script: Iterator[object] = iter(script)
        self.seen: list[str] = []
        self.aborted = 0

    async def __call__(self, request: Request) -> Response:
        """Send *request*."""
        self.seen.append(request.label)
        step = next(self._script)
        if step is HANG:
            try:
                await asyncio.Event().wait()
            finally:
                self.aborted += 1
        if isinstance(step, Exception):
            raise step
        assert isinstance(step, Response)
        return step


def post(path: str = "/token", method: str = "POST") -> Request:
    return Request(method, f"https://auth.example{path}")


def refresh(*requests: Request) -> Callable[[], Flow[bytes | None]]:
    """Make a flow that sends *requests* (one to the token endpoint), and judges each answer as vendors do."""

    def flow() -> Flow[bytes | None]:
        body: bytes | None = None
        for request in requests or [post()]:
            response = yield request
            body = judged(response)
        return body

    return flow


def judged(response: Response) -> bytes | None:
    if response.status >= 500:
        raise BUSY
    if response.status >= 400:
        raise REFUSED
    if response.body == b"unreadable":
        raise NO_JSON
    return response.body


def nothing_sent() -> Flow[bytes | None]:
    if not LONG:
        yield post()
    return b"at once"


OK = Response(200, {}, b"ok")
GARBLED = Response(200, {}, b"unreadable")


async def test_a_flow_is_run_to_its_end() -> None:
    """Each request gets its answer; what the flow returns comes back."""
    vendor = Vendor(Response(200, {}, b"first"), OK)
    assert b"ok" == await Exchange(vendor, LONG).run(refresh(post("/a", "GET"), post("/b"))())
    assert ["GET /a", "POST /b"] == vendor.seen


async def test_a_flow_without_requests() -> None:
    """A flow that has nothing to send is done at once."""
    vendor = Vendor()
    assert b"at once" == await Exchange(vendor, LONG).run(nothing_sent())
    assert b"at once" == await Exchange(vendor, LONG).run_refresh(nothing_sent)
    assert [] == vendor.seen


@pytest.mark.parametrize(
    "trouble", [LOST, TIMED_OUT, UNREADABLE, GARBLED], ids=["lost", "timeout", "no HTTP", "no JSON"]
)
async def test_a_lost_answer_is_asked_for_once_more(trouble: object) -> None:
    """A refresh that was sent and has no readable answer is sent once more at once (rule 9a)."""
    vendor = Vendor(trouble, OK)
    assert b"ok" == await Exchange(vendor, LONG).run_refresh(refresh())
    assert ["POST /token"] * 2 == vendor.seen


@pytest.mark.parametrize(
    "trouble", [LOST, TIMED_OUT, UNREADABLE, GARBLED], ids=["lost", "timeout", "no HTTP", "no JSON"]
)
async def test_once_more_and_no_more(trouble: object) -> None:
    """The repeat is the last: what it ends with is what callers get (rule 9a)."""
    vendor = Vendor(trouble, trouble)
    with pytest.raises((TransportError, ProtocolError)):
        await Exchange(vendor, LONG).run_refresh(refresh())
    assert 2 == len(vendor.seen)


async def test_refused_when_repeated() -> None:
    """A repeat that is refused says so: rule 8 decides what that means."""
    with pytest.raises(ReauthenticationRequired):
        await Exchange(Vendor(LOST, Response(400)), LONG).run_refresh(refresh())


@pytest.mark.parametrize(
    ("kind", "trouble"),
    [
        (TransportError, NOT_SENT),
        (AuthServiceUnavailable, Response(503)),
        (ReauthenticationRequired, Response(400)),
        (ReauthenticationRequired, Response(429)),
        (InvalidCredentials, InvalidCredentials("no")),
        (ConfigurationError, ConfigurationError("no")),
    ],
)
async def test_what_is_not_repeated(kind: type[VendorAuthError], trouble: object) -> None:
    """What was not sent, or was answered (5xx, throttling, refused), is not repeated (rule 9a)."""
    vendor = Vendor(trouble, OK)
    with pytest.raises(kind):
        await Exchange(vendor, LONG).run_refresh(refresh())
    assert 1 == len(vendor.seen)


async def test_an_unreadable_refusal_is_not_repeated() -> None:
    """A 502 with a page in place of the answer spent nothing that anybody knows of: only an unreadable 200 counts."""

    def flow() -> Flow[bytes | None]:
        yield post()
        raise NO_JSON

    vendor = Vendor(Response(502), OK)
    with pytest.raises(ProtocolError):
        await Exchange(vendor, LONG).run_refresh(flow)
    assert 1 == len(vendor.seen)


@pytest.mark.parametrize("trouble", [LOST, TIMED_OUT, UNREADABLE, GARBLED])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_question_spends_nothing(method: str, trouble: object) -> None:
    """A lost GET has spent no refresh token: rule 9's pause, not 9a's repeat."""
    vendor = Vendor(trouble, OK)
    with pytest.raises((TransportError, ProtocolError)):
        await Exchange(vendor, LONG).run_refresh(refresh(post("/auth-information", method), post()))
    assert 1 == len(vendor.seen)


async def test_the_last_request_counts() -> None:
    """A flow of several requests is repeated whole when the one that spends has no answer."""
    vendor = Vendor(OK, LOST, OK, OK)
    assert b"ok" == await Exchange(vendor, LONG).run_refresh(refresh(post("/auth-information", "GET"), post()))
    assert ["GET /auth-information", "POST /token"] * 2 == vendor.seen


async def test_a_login_is_not_repeated() -> None:
    """`run` never repeats: a password sent twice may lock an account."""
    vendor = Vendor(LOST, OK)
    with pytest.raises(TransportError):
        await Exchange(vendor, LONG).run(refresh()())
    assert 1 == len(vendor.seen)


async def test_the_deadline_aborts() -> None:
    """After the deadline the request under way is aborted, and the error names it and the seconds (rule 4)."""
    vendor = Vendor(HANG)
    with pytest.raises(RequestTimeout) as caught:
        await Exchange(vendor, 0.01).run(refresh()())
    assert "POST /token gave no answer within 0.01 s" == str(caught.value)
    assert (1, True) == (vendor.aborted, caught.value.sent)
    assert (None, None) == (caught.value.__cause__, caught.value.__context__)


async def test_the_first_try_leaves_time_for_a_second() -> None:
    """A refresh may take three quarters of the deadline, its repeat the rest (rule 9a)."""
    loop = asyncio.get_running_loop()
    vendor = Vendor(HANG, OK)
    began = loop.time()
    assert b"ok" == await Exchange(vendor, 0.04).run_refresh(refresh())
    assert FIRST_TRY * 0.04 <= loop.time() - began
    assert (2, 1) == (len(vendor.seen), vendor.aborted)


async def test_both_tries_together_have_one_deadline() -> None:
    """The repeat ends at the whole deadline, not a deadline of its own (rule 4)."""
    vendor = Vendor(HANG, HANG)
    with pytest.raises(RequestTimeout, match=r"within 0\.02 s$"):
        await Exchange(vendor, 0.02).run_refresh(refresh())
    assert (2, 2) == (len(vendor.seen), vendor.aborted)


async def test_the_deadline_is_for_all_requests() -> None:
    """A flow's requests share the deadline, which begins when the exchange does."""
    vendor = Vendor(OK, HANG)
    with pytest.raises(RequestTimeout, match=r"^POST /b "):
        await Exchange(vendor, 0.02).run(refresh(post("/a"), post("/b"))())


async def test_cancelling_is_no_timeout() -> None:
    """Cancelled from outside, an exchange is cancelled: nothing is repeated."""
    vendor = Vendor(HANG, OK)
    task = asyncio.create_task(Exchange(vendor, LONG).run_refresh(refresh()))
    while not vendor.seen:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (1, 1) == (len(vendor.seen), vendor.aborted)

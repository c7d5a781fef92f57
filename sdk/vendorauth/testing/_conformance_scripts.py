"""Say what a login flow is tried with, run it, and look for what it does besides."""

from __future__ import annotations

import gc
import pickle
import sys
from base64 import b64encode
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache, partial
from types import FrameType
from typing import Any, Final, TypeAlias
from urllib.parse import quote, quote_plus

import attrs

from vendorauth._tracebacks import cut, place_of
from vendorauth.errors import VendorAuthError
from vendorauth.flows import LoginFlow
from vendorauth.messages import Flow, Request, Response
from vendorauth.testing._conformance_asserts import fail
from vendorauth.tokens import Challenge, Credentials, RefreshTokenCredentials, Token

NOW: Final = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
MOST_REQUESTS: Final = 10
"""So many requests a flow may make that gets one answer again and again."""

Outcome: TypeAlias = Token | Challenge | VendorAuthError | None
Step: TypeAlias = Callable[[], Flow[Any]]


def _responses(given: Response | Sequence[Response]) -> tuple[Response, ...]:
    return (given,) if isinstance(given, Response) else tuple(given)


@attrs.frozen(kw_only=True)
class FlowScript:
    """
    Say what a flow is tried with: who logs in, and what the vendor answers, one response or several in a row.

    *make* makes the flow, a new one each time. *login* is what the vendor answers to a login with *credentials* that
    succeeds (nothing, if a login asks nobody), *login_refused* to one that is definitely refused; *refresh* and
    *refresh_refused* likewise, if there are refresh tokens. *asked* is what a login gets that has to answer a challenge
    first, *answers* what a person says then, *answered* what the vendor says to that. *revoke* is what it answers to a logout.
    *accepted* are answers of the API that say nothing against the token, *rejected* those that do.

    Secrets are searched for in what is shown: *credentials*, *answers* and tokens should be texts that occur nowhere else.
    *secrets* are more of them, such as one that *make* puts into the flow.
    """

    make: Callable[[], LoginFlow]
    credentials: Credentials
    login: tuple[Response, ...] = attrs.field(converter=_responses)
    login_refused: tuple[Response, ...] = attrs.field(default=(), converter=_responses)
    refresh: tuple[Response, ...] = attrs.field(default=(), converter=_responses)
    refresh_refused: tuple[Response, ...] = attrs.field(default=(), converter=_responses)
    asked: tuple[Response, ...] = attrs.field(default=(), converter=_responses)
    answers: Mapping[str, str] = attrs.field(factory=dict[str, str], repr=False)
    answered: tuple[Response, ...] = attrs.field(default=(), converter=_responses)
    revoke: tuple[Response, ...] = attrs.field(default=(), converter=_responses)
    accepted: tuple[Response, ...] = attrs.field(default=(Response(200, {}, b"{}"),), converter=_responses)
    rejected: tuple[Response, ...] = attrs.field(default=(Response(401),), converter=_responses)
    secrets: tuple[str, ...] = attrs.field(default=(), repr=False)


FlowCheck: TypeAlias = Callable[[FlowScript], None]
"""Check one promise of the flow that a script is about; raises ``AssertionError``."""


@attrs.frozen(kw_only=True)
class Part:
    """Be one thing that *flow* does, such as a refresh: how it begins, and what the vendor *answers*."""

    name: str
    flow: LoginFlow
    begin: Step
    answers: tuple[Response, ...]

    def run(self, answers: Sequence[Response] | None = None, what: str = "") -> Run:
        """Do it; *what* says what is special about the *answers*, the last of which is repeated."""
        about = f"{self.name}{what}"
        given = self.answers if answers is None else answers
        ran = Run(about=about, answers=given)
        ran.outcome = _outcome(self.begin, ran, about)
        return ran

    def done(self) -> Run:
        """Do it, to a good end."""
        ran = self.run()
        if isinstance(ran.outcome, VendorAuthError):
            fail(f"{self.name}: expected a success, got {type(ran.outcome).__name__}: {ran.outcome}")
        if len(ran.requests) != len(self.answers):
            fail(f"{self.name}: it made {len(ran.requests)} requests, and the script has {len(self.answers)} answers")
        return ran


@attrs.define(kw_only=True)
class Run:
    """Be what became of it: the *requests*, and a result or an error."""

    about: str
    answers: Sequence[Response]
    requests: list[Request] = attrs.field(factory=list[Request])
    outcome: Outcome = None

    def answer(self) -> Response:
        """Give what the last request gets."""
        if not self.answers or len(self.requests) > MOST_REQUESTS:
            fail(f"{self.about}: nobody answers its request {len(self.requests)}, {self.requests[-1].label}")
        return self.answers[min(len(self.requests), len(self.answers)) - 1]


def _outcome(begin: Step, ran: Run, about: str) -> Outcome:
    try:
        flow = begin()
        request = next(flow)
        while True:
            ran.requests.append(request)
            request = flow.send(ran.answer())
    except StopIteration as done:
        outcome: Outcome = done.value
        return outcome
    except VendorAuthError as error:
        cut(error)
        return error
    except AssertionError:
        raise
    except Exception as error:
        message = f"{about}: expected a VendorAuthError, got {type(error).__name__}, raised in {place_of(error)}"
        raise AssertionError(message) from error


def login(script: FlowScript, *, now: datetime = NOW, credentials: Credentials | None = None) -> Part:
    """Log in."""
    flow, given = script.make(), script.credentials if credentials is None else credentials
    return Part(name="login", flow=flow, begin=lambda: flow.login(given, now=now), answers=script.login)


def refresh(script: FlowScript, token: Token, *, now: datetime = NOW) -> Part:
    """Refresh *token*."""
    flow = script.make()
    return Part(name="refresh", flow=flow, begin=lambda: flow.refresh(token, now=now), answers=script.refresh)


def answer(script: FlowScript, challenge: Challenge, *, now: datetime = NOW) -> Part:
    """Answer *challenge*."""
    flow = script.make()
    return Part(
        name="answer",
        flow=flow,
        begin=lambda: flow.answer(challenge, script.answers, now=now),
        answers=script.answered,
    )


def revoke(script: FlowScript, token: Token) -> Part:
    """Revoke *token*."""
    flow = script.make()
    return Part(name="revoke", flow=flow, begin=lambda: flow.revoke(token), answers=script.revoke)


def parts(script: FlowScript, *, now: datetime = NOW) -> Iterator[Part]:
    """Give all that the flow can do, as far as *script* says what is answered."""
    yield login(script, now=now)
    token = logged_in(script)
    if script.refresh:
        yield refresh(script, token, now=now)
    if script.asked:
        yield attrs.evolve(login(script, now=now), name="login that is asked something", answers=script.asked)
        yield answer(script, asked(script), now=now)
    if script.revoke:
        yield revoke(script, token)


def logged_in(script: FlowScript, *, now: datetime = NOW) -> Token:
    """Give the token of a login."""
    outcome = login(script, now=now).done().outcome
    return outcome if isinstance(outcome, Token) else fail(f"login: expected a Token, got {type(outcome).__name__}")


def asked(script: FlowScript) -> Challenge:
    """Give what a login is asked."""
    outcome = attrs.evolve(login(script), answers=script.asked).done().outcome
    return outcome if isinstance(outcome, Challenge) else fail(f"asked: expected a Challenge, got {outcome!r}")


@contextmanager
def watched(flow: LoginFlow, about: str) -> Generator[None]:
    """Expect the body to leave nothing on *flow*."""
    before = _state(flow)
    yield
    after = _state(flow)
    changed = [name for name in before.keys() | after.keys() if before.get(name, ...) != after.get(name, ...)]
    if changed:
        fail(f"{about}: it keeps something on itself: {', '.join(sorted(changed))}")


def _state(flow: LoginFlow) -> dict[str, tuple[int, bytes]]:
    names = [*getattr(flow, "__dict__", ()), *(name for kind in type(flow).__mro__ for name in _slots(kind))]
    return {name: _print(getattr(flow, name)) for name in names if hasattr(flow, name)}


def _slots(kind: type[object]) -> tuple[str, ...]:
    slots = kind.__dict__.get("__slots__", ())
    return (slots,) if isinstance(slots, str) else tuple(slots)


def _print(value: object) -> tuple[int, bytes]:
    try:
        return id(value), pickle.dumps(value)
    except (AttributeError, TypeError, pickle.PicklingError):  # a lambda, a lock: it is the same, or another one
        return id(value), b""


_CLOCKS: Final = {"datetime.now", "datetime.utcnow", "datetime.today", "date.today"}
_TIMES: Final = {"time", "monotonic", "perf_counter", "process_time", "sleep"}
_CHANCE: Final = {"urandom", "Random.random", "Random.getrandbits"}
_OUTSIDE: Final = {"open", "_Environ.__getitem__", "_Environ.__iter__", "socket.__init__"}


@contextmanager
def observed() -> Generator[set[str]]:
    """Note which clocks, sources of chance, files, sockets and variables of the environment the body asks."""
    noted = set[str]()
    before, collecting = sys.getprofile(), gc.isenabled()
    gc.disable()  # what else ends in this process may ask anything
    sys.setprofile(partial(note, noted))
    try:
        yield noted
    finally:
        sys.setprofile(before)
        if collecting:
            gc.enable()


def note(noted: set[str], frame: FrameType, event: str, called: Any) -> None:
    """Be what `sys.setprofile` calls: add what is *called*, if it reads something."""
    if event == "c_call" and frame.f_globals.get("__name__") != "logging":
        name, module = str(called.__qualname__), getattr(called, "__module__", None)
        timing = module == "time" and name.removesuffix("_ns") in _TIMES
        if timing or name in _CLOCKS | _CHANCE | _OUTSIDE:
            noted.add(f"{module}.{name}" if module else name)
    elif event == "call" and frame.f_code.co_qualname in _OUTSIDE:
        noted.add(f"{frame.f_globals.get('__name__')}.{frame.f_code.co_qualname}")


def secrets_of(script: FlowScript, *tokens: Token) -> set[str]:
    """List what nobody may see."""
    given = script.credentials
    first = given.refresh_token if isinstance(given, RefreshTokenCredentials) else given.password
    of_tokens = [secret for one in tokens for secret in (one.value, one.refresh_token)]
    return {one for one in (first, *script.secrets, *script.answers.values(), *of_tokens) if one}


@cache
def spellings(secret: str) -> set[str]:
    """Write *secret* in the ways in which it may be shown, or sent."""
    content = secret.encode(errors="replace")
    # What stands before and behind changes the first and the last characters.
    coded = (b64encode(b"\0" * offset + content).decode().rstrip("=")[(0, 2, 3)[offset] : -1] for offset in range(3))
    escaped = repr(secret)[1:-1]
    return {
        secret,
        escaped,
        escaped.replace('"', '\\"'),
        quote(content, safe=""),
        quote_plus(content),
        *filter(None, coded),
    }


def holds(shown: str, secrets: set[str]) -> bool:
    """Tell whether one of *secrets* can be read in *shown*."""
    return any(spelling in shown for secret in secrets for spelling in spellings(secret))

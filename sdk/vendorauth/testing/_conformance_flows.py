"""Check what a login flow makes of good answers, and that it is pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from typing import Any, Final

import attrs
from yarl import URL

from vendorauth._urls import checked_base_url, is_loopback
from vendorauth.errors import (
    ConfigurationError,
    InvalidCredentials,
    ReauthenticationRequired,
    StoreError,
    VendorAuthError,
)
from vendorauth.flows import LoginFlow
from vendorauth.messages import Flow, Request, Response
from vendorauth.stores import read_record, write_record
from vendorauth.testing._conformance_asserts import equal, fail
from vendorauth.testing._conformance_scripts import (
    NOW,
    FlowScript,
    Run,
    Step,
    answer,
    asked,
    holds,
    logged_in,
    login,
    observed,
    parts,
    refresh,
    secrets_of,
    watched,
)
from vendorauth.tokens import Challenge, Credentials, PasswordCredentials, RefreshTokenCredentials, Token

_FORTY_YEARS: Final = timedelta(days=14_610)
_ODD: Final = (
    "pässwörd-1 \N{SNOWMAN}",
    " blanks-2 ",
    "colon:3",
    "line-4\r\nline: 5",
    "zero\0-6",
    "%2B+&=;\"\\'",
    "half-7 \ud800",
    "x" * 9_999,
)


def a_login_gives_a_token(script: FlowScript) -> None:
    """
    It begins when it was sent, ends later, can be sent, and its generation is the engine's to set.

    The account is a text without a secret, the base URL absolute, https or on this machine, without a slash at its end.
    """
    flow, token = script.make(), logged_in(script)
    _whole(flow, token, "login")
    equal(script.make().account, flow.account, "the account of two flows that were made alike")
    if not flow.account or holds(flow.account, secrets_of(script, token)):
        fail("the account has to be a text that names who logs in, without a secret")
    try:
        base_url = checked_base_url(flow.base_url)
    except ConfigurationError as error:
        message = f"base_url: {error}"
        raise AssertionError(message) from error
    equal(base_url, flow.base_url, "base_url")


def a_refresh_gives_a_token(script: FlowScript) -> None:
    """
    It is as good as a login's, and keeps the old refresh token unless there is a new one (rule 6).

    Without a refresh token it is a `ReauthenticationRequired`, and nothing is sent.
    """
    token = logged_in(script)
    if script.refresh:
        renewed = refresh(script, token).done().outcome
        if not isinstance(renewed, Token):
            fail(f"refresh: expected a Token, got {type(renewed).__name__}")
        _whole(script.make(), renewed, "refresh")
        if token.refresh_token and not renewed.refresh_token:
            fail("refresh: an answer without a refresh token has to keep the old one")
    if token.value:
        ran = refresh(script, attrs.evolve(token, refresh_token=None)).run((), " without a refresh token")
        equal([], [one.label for one in ran.requests], f"{ran.about}: what is sent")
        _is(ReauthenticationRequired, ran)


def it_reads_nothing(script: FlowScript) -> None:
    """
    It asks no clock, no source of chance, no file, no socket and no environment: the same *now* gives the same result.

    Another *now* moves the ends by as much.
    """
    for _ in parts(script):
        pass  # what is imported and compiled at first is done now
    made = zip(parts(script), parts(script), parts(script, now=NOW + _FORTY_YEARS), strict=True)
    for first, again, later in made:
        with observed() as noted:
            ran = first.done()
        equal([], sorted(noted), f"{first.name}: what it reads")
        twice, moved = again.done(), later.done()
        if (ran.requests, ran.outcome) != (twice.requests, twice.outcome):
            fail(f"{first.name}: the same time and the same answers give something else")
        equal(_ends(ran, timedelta()), _ends(moved, _FORTY_YEARS), f"{first.name}: what *now* does to times")


def it_keeps_nothing(script: FlowScript) -> None:
    """
    Nothing is left on ``self``, so that one flow may log in twice at a time, and as somebody else.

    A property that is computed once and kept counts as something: compute it when the flow is made.
    """
    flow = script.make()
    shared = attrs.evolve(script, make=lambda: flow)
    with watched(flow, "all that it does"):
        token = logged_in(shared)
        for part in parts(shared):
            part.done()
            part.run([Response(500)])
        for credentials in _others(script.credentials, ("somebody else's",)):
            mine, others = login(shared), login(shared, credentials=credentials)
            mine = attrs.evolve(mine, begin=partial(_interrupted, mine.begin, others.run))
            if mine.done().outcome != token:
                fail("a login that somebody else's interrupts gives another token")
        flow.headers(token)
        for response in (*script.accepted, *script.rejected):
            flow.rejects(response)
            flow.absorb(token, response, now=NOW)


def headers_are_pure(script: FlowScript) -> None:
    """Headers depend on the token alone, and can be sent: printable ASCII without blanks at either end."""
    for token in _tokens(script):
        flow, other = script.make(), script.make()
        with observed() as noted:
            headers = dict(flow.headers(token))
        equal([], sorted(noted), "headers: what they read")
        sendable(headers, "headers")
        if not headers:
            fail("headers: there are none, so nothing proves the token")
        same = (flow.headers(token), other.headers(token), other.headers(attrs.evolve(token, generation=7)))
        if any(headers != dict(one) for one in same):
            fail("headers: one token has two")


def tokens_can_be_stored(script: FlowScript) -> None:
    """A token comes back from a store as it was: *details* is JSON. One without a value is never stored."""
    for token in _tokens(script):
        if token.value and _stored(token) != token:
            fail("a token that was stored comes back as another one: are its details JSON?")


def _stored(token: Token) -> Token | None:
    try:
        return read_record(write_record(token))
    except StoreError:
        return None


def requests_go_where_they_may(script: FlowScript) -> None:
    """
    To https, or this machine; what can't be sent unchanged is not; no secret is in a URL, where logs show it.

    GET and HEAD are sent again by whoever sends: so they carry no secret.
    """
    for part in parts(script):
        ran = part.done()
        secrets = secrets_of(script, *_tokens(script))
        for request in ran.requests:
            _may_go(request, f"{part.name}: {request.label}")
            if holds(str(request.url), secrets):
                fail(f"{part.name}: {request.label}: a secret is in the URL")
            if request.only_asks and holds(f"{dict(request.headers)} {request.body!r}", secrets):
                fail(f"{part.name}: {request.label}: a secret is in a request that may be sent twice")


def odd_credentials_arrive_or_are_refused(script: FlowScript) -> None:
    """
    Blanks, umlauts, line ends, half characters: what can't be sent unchanged is a `ConfigurationError`.

    So are credentials of another kind; neither is sent, and the error does not show them.
    """
    for odd in _ODD:
        for credentials in (*_others(script.credentials, (odd,)), *_of_another_kind(script.credentials, odd)):
            ran = login(script, credentials=credentials).run(what=f" with {odd[:20]!a}")
            for request in ran.requests:
                _may_go(request, ran.about)
            if isinstance(ran.outcome, VendorAuthError):
                if not ran.requests:
                    _is(ConfigurationError, ran)
                if holds(f"{ran.outcome} {ran.outcome!r}", {odd.strip()}):
                    fail(f"{ran.about}: the error shows it")
            if isinstance(ran.outcome, Token):
                sendable(script.make().headers(ran.outcome), ran.about)


def challenges_can_wait(script: FlowScript) -> None:
    """
    A challenge can be written down and answered by another flow, in another process; it names its account.

    Another account's is a `ConfigurationError`, and nothing is sent.
    """
    flow = script.make()
    others = Challenge(name="CODE", account=f"not {flow.account}", fields=("CODE",))
    if script.asked:
        challenge = asked(script)
        equal(flow.account, challenge.account, "the account of a challenge")
        kept = Challenge.from_json(challenge.to_json())
        equal(challenge, kept, "a challenge that was written down")
        answer(script, kept).done()
        others = attrs.evolve(challenge, account=others.account)
    ran = answer(script, others).run((), " to another account's challenge")
    equal([], [one.label for one in ran.requests], f"{ran.about}: what is sent")
    _is(ConfigurationError, ran)


def refusals_are_told_apart(script: FlowScript) -> None:
    """
    A refused password is `InvalidCredentials`; a refused refresh token `ReauthenticationRequired`, or that.

    ``rejects`` says of each answer of the API what the script says, and of
    404, 429 and 5xx that the token is not to blame; of a stream it knows the status only.
    """
    refusals = (InvalidCredentials, ReauthenticationRequired)
    if script.login_refused:
        is_password = isinstance(script.credentials, PasswordCredentials)
        _is(
            InvalidCredentials if is_password else refusals, login(script).run(script.login_refused, " that is refused")
        )
    if script.refresh_refused:
        ran = refresh(script, logged_in(script)).run(script.refresh_refused, " that is refused")
        _is(refusals, ran)
    flow = script.make()
    for response in script.rejected:
        equal(True, flow.rejects(response), f"rejects: an answer with {response.status}")
    for response in script.accepted:
        equal(False, flow.rejects(response), f"rejects: an answer with {response.status}")
    for status in (200, 204, 302, 404, 429, 500, 503):
        for body in (None, b""):
            equal(
                False, flow.rejects(Response(status, {}, body)), f"rejects: an answer with {status} and body {body!r}"
            )


def sendable(headers: Mapping[str, str], about: str) -> None:
    """Expect *headers* to arrive as they are."""
    for name, value in headers.items():
        if not (value.isascii() and value.isprintable() and value == value.strip()):
            fail(f"{about}: the header {name} can't be sent unchanged")


def whole(script: FlowScript, token: Token, about: str) -> None:
    """Expect *token* to be one that can be used and kept."""
    flow = script.make()
    _whole(flow, token, about)
    sendable(flow.headers(token), about)


def _whole(flow: LoginFlow, token: Token, about: str) -> None:
    equal(NOW, token.issued_at, f"{about}: issued_at, which is *now*")
    equal(0, token.generation, f"{about}: generation, which is the engine's to set")
    if token.expires_at is not None and token.expires_at <= NOW:
        fail(f"{about}: the token has ended before it began")
    if not token.value and not token.details:
        fail(f"{about}: the token is empty")
    if token.refresh_token == "":
        fail(f"{about}: the refresh token is empty, not None")
    equal(str, type(flow.account), "the type of the account")


def _may_go(request: Request, about: str) -> None:
    url: URL = request.url
    if not url.host or not (url.scheme == "https" or (url.scheme == "http" and is_loopback(url.host))):
        fail(f"{about}: it goes neither to https nor to this machine")
    if url.user is not None or url.password is not None:
        fail(f"{about}: credentials are in the URL")
    sendable(request.headers, about)


def _is(kinds: type[VendorAuthError] | tuple[type[VendorAuthError], ...], ran: Run) -> None:
    names = " or ".join(one.__name__ for one in (kinds if isinstance(kinds, tuple) else (kinds,)))
    if not isinstance(ran.outcome, kinds):
        fail(f"{ran.about}: expected {names}, got {type(ran.outcome).__name__}")


def _interrupted(begin: Step, meanwhile: Callable[[], Run]) -> Flow[Any]:
    """Do something between each request and its answer."""
    flow = begin()
    try:
        request = next(flow)
        while True:
            response = yield request
            meanwhile()
            request = flow.send(response)
    except StopIteration as done:
        return done.value


def _ends(ran: Run, by: timedelta) -> object:
    if isinstance(ran.outcome, Token):
        ends = ran.outcome.expires_at
        return ran.outcome.issued_at - by, None if ends is None else ends - by
    ends = ran.outcome.expires_at if isinstance(ran.outcome, Challenge) else None
    return None if ends is None else ends - by


def _tokens(script: FlowScript) -> list[Token]:
    outcomes = [part.done().outcome for part in parts(script)]
    return [one for one in outcomes if isinstance(one, Token)]


def _others(given: Credentials, texts: tuple[str, ...]) -> list[Credentials]:
    if isinstance(given, RefreshTokenCredentials):
        return [RefreshTokenCredentials(text) for text in texts]
    pairs = [(text, given.password) for text in texts] + [(given.username, text) for text in texts]
    return [PasswordCredentials(*pair) for pair in pairs]


def _of_another_kind(given: Credentials, text: str) -> list[Credentials]:
    is_password = isinstance(given, PasswordCredentials)
    return [RefreshTokenCredentials(text) if is_password else PasswordCredentials(text, text)]

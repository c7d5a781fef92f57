"""Whatever a vendor answers, a login flow ends: with a token, a challenge, nothing, or a documented error."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeVar, get_args

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from multidict import CIMultiDict

from _counted import each
from _fuzz import (
    MARK,
    Family,
    families,
    header_values,
    headers,
    json_values,
    nearly,
    proper,
    statuses,
    tried,
)
from _proglove import BASE, INFORMATION, INFORMED, JANE, NOW, SERVICE, answered, granted, jwt, refused
from vendorauth.cognito.errors import RESOURCE_NOT_FOUND
from vendorauth.cognito.jwt import LONGEST_LIFE
from vendorauth.cognito.protocol import TokenKind
from vendorauth.errors import AuthError, ConfigurationError, ProtocolError, StoreUnavailable, VendorAuthError
from vendorauth.messages import Flow, Request, Response
from vendorauth.proglove import ProGloveFlow
from vendorauth.proglove.flow import RefreshWith
from vendorauth.protogrid.credentials import LoginWith, Scheme
from vendorauth.protogrid.flow import ProtogridFlow
from vendorauth.stores._records import read, write
from vendorauth.tokens import Challenge, Credentials, Token

T = TypeVar("T")

MOST_REQUESTS: Final = 3
COGNITO: Final = re.compile(
    r"cognito-idp\.[a-z0-9-]{1,63}\.(?:amazonaws\.com(?:\.cn)?|amazonaws\.eu|c2s\.ic\.gov|sc2s\.sgov\.gov|"
    r"cloud\.adc-e\.uk|csp\.hci\.ic\.gov)"
)
GRID: Final = "https://example.protogrid.com/base"

GRANTED: Final = {
    "AuthenticationResult": {
        "IdToken": jwt(600),
        "AccessToken": jwt(1800),
        "RefreshToken": f"rotated{MARK}",
        "ExpiresIn": 3600,
        "NewDeviceMetadata": {"DeviceKey": MARK, "DeviceGroupKey": MARK},
    },
    "ChallengeParameters": {},
}
ASKED: Final = {
    "ChallengeName": "NEW_PASSWORD_REQUIRED",
    "Session": MARK,
    "ChallengeParameters": {
        "USER_ID_FOR_SRP": MARK,
        "requiredAttributes": '["userAttributes.email", "name"]',
        "MFAS_CAN_CHOOSE": '["SMS_MFA"]',
        "CODE_DELIVERY_DESTINATION": MARK,
    },
}
REFUSED: Final = {"__type": "NotAuthorizedException", "message": MARK}
GONE: Final = {"__type": "ResourceNotFoundException", "message": MARK}
WELCOME: Final = {"result": f"Welcome {MARK}", "errors": [], "protogrid_environment_version": "1.4.10"}
TURNED_AWAY: Final = {"result": None, "errors": [{"code": 401, "message": MARK}]}


@attrs.frozen
class Vendor:
    """Be what answers: *information* to every GET, *answers* to the POSTs, one after the other."""

    information: Response = INFORMED
    answers: tuple[Response, ...] = ()

    def respond(self, requests: list[Request]) -> Response:
        """Answer the last of *requests*."""
        if requests[-1].method == "GET":
            return self.information
        return self.answers[sum(one.method == "POST" for one in requests) - 1]


@attrs.frozen
class Vendors:
    """Be a *vendor*, and the same with each body of *family* in one of its answers."""

    vendor: Vendor
    in_place_of: int
    status: int
    headers: Mapping[str, str]
    family: Family

    def all(self) -> Iterator[Vendor]:
        """Give them."""
        yield self.vendor
        for body in self.family.bodies():
            answer = Response(self.status, self.headers, body)
            yield (
                attrs.evolve(self.vendor, information=answer)
                if self.in_place_of == 0
                else attrs.evolve(self.vendor, answers=(answer, *self.vendor.answers)[-self.in_place_of :])
            )


ordinary = st.sampled_from([granted(), granted(RefreshToken="rotated"), refused("ResourceNotFoundException")])
vendors = st.builds(
    Vendors,
    st.builds(Vendor, st.just(INFORMED), st.tuples(ordinary, ordinary)),
    st.sampled_from([0, 2, 3]),
    statuses,
    headers,
    families(INFORMATION, GRANTED, ASKED, REFUSED, GONE),
)


@attrs.frozen
class GridAnswers:
    """Be answers of Protogrid's: *family* with *status*, *headers*, and several *cookies*."""

    status: int
    headers: Mapping[str, str]
    cookies: list[str]
    family: Family

    def all(self) -> Iterator[Response]:
        """Give them."""
        headers = CIMultiDict(self.headers)
        for cookie in self.cookies:
            headers.add("Set-Cookie", cookie)
        for body in self.family.bodies():
            yield Response(self.status, headers, body)


set_cookies = st.lists(
    header_values.map(lambda text: f"session={text}") | st.sampled_from(["session=abc; Path=/", "session=; Max-Age=0"]),
    max_size=3,
)
grid_answers = st.builds(GridAnswers, statuses, headers, set_cookies, families(WELCOME, TURNED_AWAY))


def proglove(kind: str = "id", refresh_with: str = "initiate-auth", scheme: str = "") -> ProGloveFlow:
    """Make a flow of Jane's."""
    options: Any = {"token_kind": kind, "refresh_with": refresh_with, "authorization_scheme": scheme}
    return ProGloveFlow(BASE, "demo0001", account="jane", **options)


flows = st.builds(
    proglove,
    st.sampled_from(get_args(TokenKind)),
    st.sampled_from(get_args(RefreshWith)),
    st.sampled_from(["", "Bearer"]),
)


def ended(flow: Flow[T], vendor: Vendor, allowed: Callable[[Request], bool]) -> T | VendorAuthError:
    """Run *flow* to its end, which has to come soon; give its result or its error."""
    requests: list[Request] = []
    try:
        requests.append(next(flow))
        while len(requests) <= MOST_REQUESTS:
            assert allowed(requests[-1])
            requests.append(flow.send(vendor.respond(requests)))
    except StopIteration as done:
        result: T = done.value
        return result
    except (AuthError, ProtocolError) as error:
        return proper(error)
    message = "the flow goes on and on"
    raise AssertionError(message)


def to_proglove(request: Request) -> bool:
    """Tell whether *request* goes to the customer's API without a secret, or to Cognito with one."""
    url = request.url
    if request.method == "GET":
        return str(url) == f"{BASE}/auth-information?id=demo0001" and not request.body and not request.headers
    return (
        request.method == "POST"
        and COGNITO.fullmatch(url.raw_host or "") is not None
        and str(url) == f"https://{url.raw_host}/login"
    )


def to_protogrid(request: Request) -> bool:
    """Tell whether *request* is the documented one."""
    return ("POST", f"{GRID}/api/v2/authenticate") == (request.method, str(request.url))


def check_token(token: Token, headers: Mapping[str, str]) -> None:
    """Make sure that *token* can be sent, lives, can be stored, and shows nothing."""
    for value in headers.values():
        assert value.isascii()
        assert value.isprintable()
        assert value == value.strip()
    assert token.issued_at == NOW
    assert token.expires_at is None or NOW < token.expires_at <= NOW + LONGEST_LIFE
    assert MARK not in repr(token)
    kept = tried(lambda: read(write(token)), StoreUnavailable)
    # What can't be stored serves from memory.
    assert "this token can't be written as JSON (RecursionError)" == str(kept) or token == kept


def check_challenge(challenge: Challenge) -> None:
    """Make sure that *challenge* can be shown, and can wait between two requests."""
    assert challenge.name.isascii()
    assert all(name.isprintable() for name in challenge.fields)
    assert "jane" == challenge.account
    kept = tried(lambda: Challenge.from_json(challenge.to_json()), ValueError)
    assert "it is nested too deeply to be written" == str(kept) or challenge == kept


def check_answers(flow: ProGloveFlow, start: Callable[[], Flow[Any]], vendors: Vendors, *kinds: type[object]) -> None:
    """Run what *start* gives against all *vendors*; an outcome is one of *kinds*, or an error."""
    for vendor in each(vendors.all()):
        outcome = ended(start(), vendor, to_proglove)
        assert isinstance(outcome, (*kinds, VendorAuthError))
        if isinstance(outcome, Token):
            check_token(outcome, flow.headers(outcome))
            assert outcome.refresh_token or Challenge in kinds  # a renewal keeps what it was made with
        if isinstance(outcome, Challenge):
            check_challenge(outcome)


NOTHING: Final = Family(None, (), 0)
DEEP_LIST: Final = answered({**ASKED, "ChallengeParameters": {"requiredAttributes": "[" * 5_000}})
BELL_ASKED: Final = answered({**ASKED, "ChallengeParameters": {"requiredAttributes": '["a", "\\u0007"]'}})


def only(vendor: Vendor) -> Vendors:
    """Be *vendor*, and little else."""
    return Vendors(vendor, 2, 200, {}, NOTHING)


@given(flows, st.sampled_from([JANE, SERVICE]), vendors)
@example(proglove(), JANE, only(Vendor(INFORMED, (DEEP_LIST, DEEP_LIST))))
@example(proglove(), JANE, only(Vendor(INFORMED, (granted(IdToken="a\r\nb"), granted(IdToken="\N{SNOWMAN} ")))))
@example(proglove(), JANE, only(Vendor(INFORMED, (BELL_ASKED, BELL_ASKED))))
def test_proglove_login(flow: ProGloveFlow, credentials: Credentials, vendors: Vendors) -> None:
    """A login ends soon, the password going to Cognito only, with a token, a challenge or a documented error."""
    check_answers(flow, lambda: flow.login(credentials, now=NOW), vendors, Token, Challenge)


@pytest.mark.parametrize("depth", [*range(100, 1_000, 50), 5_000])
def test_deep_answers(depth: int) -> None:
    """Answers nested to any depth are taken or refused, wherever Python's stack ends (Hypothesis makes it longer)."""
    deep = b"[" * depth + b"]" * depth
    information = Response(200, {}, b'{"region":"eu-west-1","user_pool_client_id":"c","profile":' + deep + b"}")
    asked = Response(200, {}, b'{"ChallengeName":"SMS_MFA","ChallengeParameters":{"a":' + deep + b"}}")
    flow = proglove()
    for vendor in (Vendor(information, (granted(),)), Vendor(INFORMED, (asked,)), Vendor(information, (asked,))):
        check_answers(flow, lambda: flow.login(JANE, now=NOW), only(vendor), Token, Challenge)


remembered = st.builds(
    lambda information, rest: {"auth_information": information, **rest},
    st.just(INFORMATION) | nearly(INFORMATION),
    st.just({"username": "jane", "device_key": "x", "challenge_session": MARK})
    | st.dictionaries(st.sampled_from(["username", "device_key", "challenge_session"]), json_values),
)


@given(flows, remembered, vendors)
@example(proglove(), {"auth_information": INFORMATION}, only(Vendor(answers=(refused(RESOURCE_NOT_FOUND),) * 2)))
@example(proglove(), {"auth_information": INFORMATION}, only(Vendor(answers=(granted(), granted()))))
def test_proglove_refresh(flow: ProGloveFlow, details: dict[str, Any], vendors: Vendors) -> None:
    """A refresh ends soon, whatever was remembered, with a token that has a refresh token, or an error."""
    token = Token(value=jwt(600), issued_at=NOW, refresh_token="refresh1", details=details)
    check_answers(flow, lambda: flow.refresh(token, now=NOW), vendors, Token)


@given(flows, remembered, vendors)
def test_proglove_answer(flow: ProGloveFlow, hidden: dict[str, Any], vendors: Vendors) -> None:
    """An answer ends soon, whatever the challenge hides; where that is nothing, it is a mistake, and nothing is sent."""
    challenge = Challenge(name="SMS_MFA", account="jane", fields=("SMS_MFA_CODE",), hidden=hidden)
    answers = {"SMS_MFA_CODE": "123456"}
    first = tried(lambda: next(flow.answer(challenge, answers, now=NOW)), ConfigurationError)
    if isinstance(first, ConfigurationError):
        proper(first)
    else:
        check_answers(flow, lambda: flow.answer(challenge, answers, now=NOW), vendors, Token, Challenge)


@given(flows, remembered, vendors)
def test_proglove_revoke(flow: ProGloveFlow, details: dict[str, Any], vendors: Vendors) -> None:
    """A logout ends soon, with nothing or an error."""
    token = Token(value=jwt(600), issued_at=NOW, refresh_token="refresh1", details=details)
    check_answers(flow, lambda: flow.revoke(token), vendors, type(None))


@given(st.sampled_from(get_args(LoginWith)), grid_answers)
def test_protogrid_login(login_with: LoginWith, answers: GridAnswers) -> None:
    """A login is one request to the documented path, and ends with a session that can be sent, or an error."""
    flow = ProtogridFlow(GRID, account="jane", login_with=login_with)
    for answer in each(answers.all()):
        outcome = ended(flow.login(JANE, now=NOW), Vendor(answers=(answer,)), to_protogrid)
        assert isinstance(outcome, Token | VendorAuthError)
        if isinstance(outcome, Token):
            assert outcome.value
            check_token(outcome, flow.headers(outcome))


@given(st.sampled_from(["headers", "basic"]), grid_answers)
def test_protogrid_check(scheme: Scheme, answers: GridAnswers) -> None:
    """A check of credentials is one request likewise, and gives the same credentials or an error."""
    flow = ProtogridFlow(GRID, account="jane", scheme=scheme)
    token = Token(value="", issued_at=NOW, details={"username": "jane", "password": "s3cret"})
    for answer in each(answers.all()):
        outcome = ended(flow.refresh(token, now=NOW), Vendor(answers=(answer,)), to_protogrid)
        assert outcome == token or isinstance(outcome, VendorAuthError)


@given(grid_answers)
def test_protogrid_absorb(answers: GridAnswers) -> None:
    """Any answer leaves the session as it is, or brings one of the same generation that can be sent."""
    flow = ProtogridFlow(GRID, account="jane")
    token = Token(value="before", issued_at=NOW, generation=7)
    for answer in each(answers.all()):
        after = flow.absorb(token, answer, now=NOW)
        assert (7, True) == (after.generation, bool(after.value))
        check_token(after, flow.headers(after))
        assert answer.ok or after is token


@given(grid_answers, flows)
def test_any_answer_is_a_refusal_or_not(answers: GridAnswers, flow: ProGloveFlow) -> None:
    """Any answer to an API call says of the token that it is good, or that it is not."""
    grid = ProtogridFlow(GRID, account="jane")
    for answer in each(answers.all()):
        assert grid.rejects(answer) in (True, False)
        assert (answer.status in (401, 403)) == flow.rejects(answer)

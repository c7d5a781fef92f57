"""A conformance suite is worth what it finds: each check fails for flows that break its promise, and says what broke."""

from __future__ import annotations

import logging
import re
import sys
import time
from datetime import UTC, datetime
from typing import Any

import attrs
import pytest

import _broken_flows as broken
import _broken_flows_answers as answers
from _broken_flows import answered, called, script, tokens
from vendorauth import AuthError, ConfigurationError, InvalidCredentials
from vendorauth.testing import _conformance_scripts as scripts
from vendorauth.testing._conformance_scripts import note, observed
from vendorauth.testing.conformance import FLOW_CHECKS, FlowCheck

CHECKS = {check.__name__: check for check in FLOW_CHECKS}
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)

FINDINGS: list[tuple[str, type[broken.Whole], str]] = [
    ("a_login_gives_a_token", tokens(issued_at=LONG_AGO), r"login: issued_at, which is \*now\*: expected "),
    ("a_login_gives_a_token", tokens(generation=3), "generation, which is the engine's to set: expected 0, found 3"),
    ("a_login_gives_a_token", tokens(expires_at=LONG_AGO), "the token has ended before it began"),
    ("a_login_gives_a_token", tokens(value=""), "the token is empty"),
    ("a_login_gives_a_token", tokens(refresh_token=""), "the refresh token is empty, not None"),
    ("a_login_gives_a_token", called(f"jane|{broken.PASSWORD}"), "the account has to be .* without a secret"),
    ("a_login_gives_a_token", called(""), "the account has to be a text that names who logs in"),
    ("a_login_gives_a_token", broken.OfNoAccount, "the account of two flows that were made alike"),
    ("a_login_gives_a_token", called(base_url="http://vendor.example"), "base_url: the base URL is plain http"),
    ("a_login_gives_a_token", called(base_url="https://vendor.example/v1/"), "base_url: expected"),
    ("a_login_gives_a_token", answers.taking(AuthError, 200), "login: expected a success, got AuthError: no"),
    (
        "a_refresh_gives_a_token",
        broken.LosesTheRefreshToken,
        "an answer without a refresh token has to keep the old one",
    ),
    ("a_refresh_gives_a_token", broken.GivesNoToken, "refresh: expected a Token, got Challenge"),
    ("a_refresh_gives_a_token", broken.RefreshesWithNothing, "nobody answers its request 1, POST /v1/refresh"),
    *(
        ("it_reads_nothing", kind, f"login: what it reads: expected .*{name}'")
        for name, kind in broken.READINGS.items()
    ),
    ("it_reads_nothing", broken.EndsOnADay, r"what \*now\* does to times"),
    ("it_reads_nothing", broken.CountsItsRequests, "the same time and the same answers give something else"),
    ("it_keeps_nothing", broken.RemembersTheToken, "it keeps something on itself: last"),
    ("it_keeps_nothing", broken.CountsFailures, "it keeps something on itself: failures"),
    ("it_keeps_nothing", broken.RemembersWhoLoggedIn, "a login that somebody else's interrupts gives another token"),
    ("headers_are_pure", broken.NUMBERED, "headers: one token has two"),
    ("headers_are_pure", broken.OF_A_GENERATION, "headers: one token has two"),
    ("headers_are_pure", broken.CHANCE, "headers: what they read: .*Random.random"),
    ("headers_are_pure", broken.TWO_LINES, "the header Authorization can't be sent unchanged"),
    ("headers_are_pure", broken.NOTHING, "headers: there are none"),
    ("tokens_can_be_stored", tokens(details={"when": LONG_AGO}), "are its details JSON"),
    ("tokens_can_be_stored", tokens(details={"what": object()}), "comes back as another one"),
    ("requests_go_where_they_may", broken.asking(url="http://vendor.example"), "neither to https nor to this machine"),
    ("requests_go_where_they_may", broken.asking(url="https://jane@vendor.example"), "credentials are in the URL"),
    ("requests_go_where_they_may", broken.asking(url="https://vendor.example?p={}"), "POST /: a secret is in the URL"),
    ("requests_go_where_they_may", broken.asking("GET", body="{}"), "a secret is in a request that may be sent twice"),
    ("odd_credentials_arrive_or_are_refused", broken.asking(headers="{}"), "the header X can't be sent unchanged"),
    (
        "odd_credentials_arrive_or_are_refused",
        broken.EncodesWithoutLooking,
        "got UnicodeEncodeError, raised in ask, .*",
    ),
    ("odd_credentials_arrive_or_are_refused", broken.TakesAnyKind, "expected a VendorAuthError, got AttributeError"),
    ("odd_credentials_arrive_or_are_refused", broken.SaysWhatItRefuses, "the error shows it"),
    ("odd_credentials_arrive_or_are_refused", broken.CallsItARefusal, "expected ConfigurationError, got InvalidCred"),
    ("redirects_are_not_followed", answers.FollowsRedirects, "a 307 in answer to request 1: it sends another request"),
    ("redirects_are_not_followed", answers.taking(InvalidCredentials), "would take it for a refusal"),
    ("redirects_are_not_followed", answers.taking(ConfigurationError), "expected a ProtocolError, got Configur"),
    (
        "refusals_are_told_apart",
        answers.taking(AuthError),
        "login that is refused: expected InvalidCredentials, got AuthE",
    ),
    ("refusals_are_told_apart", answers.judging(lambda response: not response.ok), "rejects: an answer with 302"),
    ("refusals_are_told_apart", answers.judging(lambda response: False), "rejects: an answer with 401: expected True"),
    ("refusals_are_told_apart", answers.judging(lambda response: True), "rejects: an answer with 200: expected False"),
    ("trouble_is_temporary", answers.taking(InvalidCredentials, 500), "would take it for a refusal"),
    ("trouble_is_temporary", answers.taking(AuthError), "expected a temporary error, .*, got AuthError"),
    ("garbage_is_no_token", answers.IndexesTheBody, "expected a VendorAuthError, got TypeError, raised in read"),
    ("garbage_is_no_token", answers.IgnoresTheStatus, "with 304 and .*: it gives a token"),
    ("garbage_is_no_token", answers.TakesAnyText, "the header Authorization can't be sent unchanged"),
    ("garbage_is_no_token", answers.AsksForEver, "nobody answers its request 11"),
    ("garbage_is_no_token", answers.AsksAgainAndAgain, "it goes on and on, with 5 requests"),
    (
        "garbage_is_no_token",
        answers.CallsItAMistake,
        "expected a ProtocolError or an AuthError, got ConfigurationError",
    ),
    ("failures_change_no_token", answers.AbsorbsFromFailures, "absorb: an answer with 304 changes the token"),
    ("failures_change_no_token", answers.AbsorbsIntoAGeneration, "absorb: it sets a generation"),
    ("challenges_can_wait", answers.AnswersAnybodys, "nobody answers its request 1, POST /v1/answer"),
    (
        "challenges_can_wait",
        answers.challenging(account="joe"),
        "the account of a challenge: expected 'jane', found 'joe'",
    ),
    (
        "challenges_can_wait",
        answers.challenging(hidden={"when": LONG_AGO}),
        "a challenge that was written down: expected",
    ),
    ("secrets_stay_hidden", answers.ShowsItself, "login: ShowsItself: its repr, or str, shows a secret"),
    ("secrets_stay_hidden", answers.QuotesTheAnswer, "ProtocolError: its repr, or str, shows a secret"),
    ("secrets_stay_hidden", answers.QuotesTheVendor, "AuthError.code: its repr, or str, shows a secret"),
    ("secrets_stay_hidden", answers.ChainsTheDecoder, "ProtocolError, from JSONDecodeError.*shows a secret"),
    ("secrets_stay_hidden", answers.HoldsTheBody, "in the variable body of HoldsTheBody.read"),
]


@pytest.mark.parametrize(("name", "kind", "message"), FINDINGS, ids=lambda part: getattr(part, "__name__", None))
def test_a_broken_flow_is_found(name: str, kind: type[broken.Whole], message: str) -> None:
    """The check fails, and its sentence says what broke."""
    with pytest.raises(AssertionError) as caught:
        CHECKS[name](script(kind))
    assert re.search(message, str(caught.value)), str(caught.value)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"login": (answered(), answered())}, "login: expected a success, got ProtocolError"),
        ({"login": answered(asks="CODE")}, "login: expected a Token, got Challenge"),
        ({"asked": answered(token="a-token")}, "asked: expected a Challenge, got Token"),
        ({"revoke": (answered(), answered())}, "revoke: it made 1 requests, and the script has 2 answers"),
        ({"login": ()}, "login: nobody answers its request 1, POST /v1/login"),
    ],
)
def test_a_script_that_does_not_fit(changed: dict[str, Any], message: str) -> None:
    """What is wrong with it is said."""
    with pytest.raises(AssertionError, match=message):
        CHECKS["it_reads_nothing"](attrs.evolve(script(broken.Whole), **changed))


@pytest.mark.parametrize("check", FLOW_CHECKS, ids=lambda check: check.__name__)
def test_a_whole_flow_passes(check: FlowCheck) -> None:
    """What finds the broken ones does not find the one that they are made from."""
    check(script(broken.Whole))


def test_every_check_is_found_wanting_somewhere() -> None:
    """No check is without a flow here that fails it."""
    assert set(CHECKS) == {name for name, _, _ in FINDINGS}


def test_what_counts_as_reading() -> None:
    """Clocks do, but not a log's record, which no flow sees; the profiler that was there goes on."""
    before = sys.getprofile()
    with observed() as outer, observed() as noted:
        logging.getLogger("a flow's").warning("I am pure")
    assert set() == noted == outer
    assert before is sys.getprofile()
    frame = sys._getframe()
    for event, asked in (("c_call", time.time), ("c_call", datetime.now), ("c_call", len), ("c_return", time.time)):
        note(noted, frame, event, asked)
    note(noted, frame, "call", None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scripts, "_OUTSIDE", {frame.f_code.co_qualname})
        note(noted, frame, "call", None)
    assert {"time.time", "datetime.now", f"{__name__}.test_what_counts_as_reading"} == noted


def test_a_flow_may_hold_what_can_not_be_copied() -> None:
    """It is the same object before and after, or another one."""
    CHECKS["it_keeps_nothing"](script(broken.HoldsAFunction))

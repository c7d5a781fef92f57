"""Refreshing and revoking at ProGlove's (DESIGN, rules 6, 8)."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from _proglove import (
    ASK,
    INFORMATION,
    INFORMED,
    JANE,
    LATER,
    NOW,
    REMEMBERED,
    SERVICE,
    answered,
    anything,
    exchange,
    flow,
    granted,
    jwt,
    refreshing,
    refused,
    responses,
    seen,
    sent,
    token,
)
from vendorauth.errors import (
    AuthError,
    ProtocolError,
    ReauthenticationRequired,
)
from vendorauth.messages import Response
from vendorauth.testing.play import play
from vendorauth.tokens import Token


def test_a_refresh_token_is_a_login() -> None:
    """`RefreshTokenCredentials`: auth-information, then the refresh exchange; the given token is kept."""
    result, requests = play(flow().login(SERVICE, now=NOW), INFORMED, granted())
    assert [ASK, refreshing("refresh0")] == [seen(one) for one in requests]
    assert isinstance(result, Token)
    assert (result.refresh_token, result.details) == ("refresh0", {"auth_information": REMEMBERED})


def test_a_new_refresh_token_replaces_the_given_one() -> None:
    """Rule 6 holds for a login with a refresh token, too."""
    result, _ = play(flow().login(SERVICE, now=NOW), INFORMED, granted(RefreshToken="refresh9"))
    assert isinstance(result, Token)
    assert result.refresh_token == "refresh9"


def test_a_refused_refresh_token_asks_for_a_new_login() -> None:
    """A configured refresh token that is dead is not an outage, and no wrong password."""
    with pytest.raises(ReauthenticationRequired):
        play(flow().login(SERVICE, now=NOW), INFORMED, refused("NotAuthorizedException"))


# refreshing


def test_a_refresh_is_as_documented() -> None:
    """Rule 6: one request with what was remembered; the old refresh token stays, and so do the details."""
    old = token()
    new, requests = play(flow().refresh(old, now=LATER), granted())
    assert [refreshing("refresh1")] == [seen(one) for one in requests]
    assert new == Token(
        value=jwt(600),
        issued_at=LATER,
        expires_at=LATER + timedelta(seconds=600),
        refresh_token="refresh1",
        details=old.details,
    )


def test_a_rotated_refresh_token_replaces_the_old_one() -> None:
    """Rule 6: a new refresh token is the one from now on."""
    new, _ = play(flow().refresh(token(), now=LATER), granted(RefreshToken="refresh2"))
    assert new.refresh_token == "refresh2"


def test_a_device_is_remembered_over_refreshes() -> None:
    """``NewDeviceMetadata`` comes once; its key goes with every refresh from then on, until there is another."""
    device = {"DeviceKey": "eu-west-1_d1", "DeviceGroupKey": "group"}
    first, _ = play(flow().login(JANE, now=NOW), INFORMED, granted(RefreshToken="refresh1", NewDeviceMetadata=device))
    assert isinstance(first, Token)
    assert (first.details["device_key"], first.details["device_group_key"]) == ("eu-west-1_d1", "group")
    second, requests = play(flow().refresh(first, now=LATER), granted(NewDeviceMetadata={}))
    assert refreshing("refresh1", DEVICE_KEY="eu-west-1_d1") == seen(requests[0])
    assert second.details == first.details
    third, _ = play(flow().refresh(second, now=LATER), granted(NewDeviceMetadata={"DeviceKey": "eu-west-1_d2"}))
    assert third.details["device_key"] == "eu-west-1_d2"
    assert "device_group_key" not in third.details


def test_details_survive_a_store() -> None:
    """What a token remembers is JSON: a refresh after a restart needs no second question."""
    first, _ = play(flow().login(JANE, now=NOW), INFORMED, granted(RefreshToken="refresh1"))
    assert isinstance(first, Token)
    stored = msgspec.json.decode(msgspec.json.encode(first.details))
    _, requests = play(flow().refresh(token(details=stored), now=LATER), granted())
    assert [refreshing("refresh1")] == [seen(one) for one in requests]


def test_a_client_id_that_is_gone_is_asked_for_again() -> None:
    """ResourceNotFoundException: auth-information once more, the exchange once more, the new client id remembered."""
    moved = answered({**INFORMATION, "user_pool_client_id": "client2"})
    old = token(details={**token().details, "device_key": "d1"})
    new, requests = play(flow().refresh(old, now=LATER), refused("ResourceNotFoundException"), moved, granted())
    assert [
        refreshing("refresh1", DEVICE_KEY="d1"),
        ASK,
        refreshing("refresh1", "client2", DEVICE_KEY="d1"),
    ] == [seen(one) for one in requests]
    assert new.details == {
        **old.details,
        "auth_information": {**REMEMBERED, "user_pool_client_id": "client2"},
    }


def test_a_client_id_that_stays_gone_is_an_error() -> None:
    """It is asked for once only; the second refusal is raised without the first behind it."""
    gone = refused("ResourceNotFoundException")
    with pytest.raises(AuthError) as raised:
        play(flow().refresh(token(), now=LATER), gone, INFORMED, gone)
    assert (AuthError, "ResourceNotFoundException") == (type(raised.value), raised.value.code)
    assert raised.value.__context__ is None


def test_a_challenge_in_place_of_a_refresh_asks_for_a_login() -> None:
    """More than the refresh token is wanted: only a login can answer."""
    with pytest.raises(ReauthenticationRequired, match="POST /login: Cognito asks for more than the refresh token"):
        play(flow().refresh(token(), now=LATER), answered({"ChallengeName": "DEVICE_SRP_AUTH", "Session": "s"}))


@pytest.mark.parametrize("refresh_token", [None, ""])
def test_without_a_refresh_token_nothing_is_sent(refresh_token: str | None) -> None:
    """There is nothing to refresh with, and nothing to revoke."""
    with pytest.raises(ReauthenticationRequired):
        play(flow().refresh(token(refresh_token=refresh_token), now=LATER))
    assert play(flow().revoke(token(refresh_token=refresh_token))) == (None, [])


# revoking


@pytest.mark.parametrize("body", [b"", b"{}"])
def test_a_logout_revokes_the_refresh_token(body: bytes) -> None:
    """RevokeToken with what was remembered; an empty answer is a good one."""
    _, requests = play(flow().revoke(token()), Response(200, {}, body))
    assert [sent("RevokeToken", {"Token": "refresh1", "ClientId": "client1"})] == [seen(one) for one in requests]


@given(st.dictionaries(st.sampled_from(["auth_information", "username", "device_key", "x"]), anything), responses)
def test_any_details_and_any_answer_to_a_refresh(details: dict[str, Any], answer: Response) -> None:
    """Property: whatever a store gives back and a vendor answers, a refresh ends in a documented way."""
    with suppress(AuthError, ProtocolError):
        exchange(flow().refresh(token(details=details), now=NOW), answer, answer, answer)

"""The flows that are shipped keep each promise of `LoginFlow`, in each of their kinds; broken ones are found."""

from __future__ import annotations

from typing import Any, get_args

import attrs
import pytest

from _proglove import BASE, INFORMED, JANE, SERVICE, answered, granted, refused
from vendorauth import PasswordCredentials, Response
from vendorauth.cognito.protocol import TokenKind
from vendorauth.proglove import ProGloveFlow
from vendorauth.proglove.flow import RefreshWith
from vendorauth.protogrid.credentials import LoginWith
from vendorauth.protogrid.flow import ProtogridFlow
from vendorauth.testing.conformance import FLOW_CHECKS, FlowCheck, FlowScript

GRID = "https://example.protogrid.com/base"
WELCOME = {"result": "Welcome", "errors": [], "protogrid_environment_version": "1.4.10"}
TURNED_AWAY = answered({"result": None, "errors": [{"code": 401, "message": "No"}]}, 403)
SESSION = Response(200, {"Set-Cookie": "session=a-session-of-jane; Path=/"}, answered(WELCOME).body)
ASKED = answered(
    {
        "ChallengeName": "SMS_MFA",
        "Session": "a-session-of-cognito",
        "ChallengeParameters": {"CODE_DELIVERY_DESTINATION": "+*89", "USER_ID_FOR_SRP": "jane"},
    }
)


def proglove(kind: TokenKind, refresh_with: RefreshWith, scheme: str, **options: Any) -> FlowScript:
    """Be ProGlove's, with all that it can do."""
    return FlowScript(
        make=lambda: ProGloveFlow(
            BASE, "demo0001", account="jane", token_kind=kind, refresh_with=refresh_with, authorization_scheme=scheme
        ),
        credentials=JANE,
        login=(INFORMED, granted(RefreshToken="refresh-token-1")),
        login_refused=(INFORMED, refused("NotAuthorizedException")),
        refresh=(granted(),),
        refresh_refused=(refused("NotAuthorizedException"),),
        asked=(INFORMED, ASKED),
        answers={"SMS_MFA_CODE": "123456"},
        answered=(granted(RefreshToken="refresh-token-1"),),
        revoke=(Response(200, {}, b"{}"),),
        rejected=(Response(401), Response(403)),
        **options,
    )


def service(kind: TokenKind) -> FlowScript:
    """Be ProGlove's, with a refresh token as the only credential."""
    return attrs.evolve(
        proglove(kind, "initiate-auth", ""),
        credentials=SERVICE,
        login=(INFORMED, granted()),
        asked=(),
        answers={},
        answered=(),
    )


def session(login_with: LoginWith) -> FlowScript:
    """Be Protogrid's with a cookie."""
    return FlowScript(
        make=lambda: ProtogridFlow(GRID, account="jane", login_with=login_with),
        credentials=PasswordCredentials("jane", "s3cret"),
        login=SESSION,
        login_refused=TURNED_AWAY,
        accepted=answered(WELCOME),
        rejected=(Response(401), TURNED_AWAY, attrs.evolve(TURNED_AWAY, status=200)),
    )


def credentials(scheme: Any) -> FlowScript:
    """Be Protogrid's without one: nothing is logged in, and a refresh asks whether the credentials are good."""
    return attrs.evolve(
        session("headers"),
        make=lambda: ProtogridFlow(GRID, account="jane", scheme=scheme),
        login=(),
        login_refused=(),
        refresh=SESSION,
        refresh_refused=TURNED_AWAY,
    )


SCRIPTS = {
    "proglove-id-initiate-auth": proglove("id", "initiate-auth", ""),
    "proglove-access-get-tokens-bearer": proglove("access", "get-tokens", "Bearer"),
    "proglove-service": service("id"),
    **{f"protogrid-cookie-{login_with}": session(login_with) for login_with in get_args(LoginWith)},
    **{f"protogrid-{scheme}": credentials(scheme) for scheme in ("headers", "basic")},
}


@pytest.mark.parametrize("name", SCRIPTS)
@pytest.mark.parametrize("check", FLOW_CHECKS, ids=lambda check: check.__name__)
def test_every_flow(check: FlowCheck, name: str) -> None:
    """Each flow of the package keeps each promise, whatever it is made with."""
    check(SCRIPTS[name])

"""Whatever a vendor answers, who asks a token source gets a token or a documented error, and can ask again."""

from __future__ import annotations

from typing import Any, Final

from hypothesis import example, given
from hypothesis import strategies as st

from _fuzz import MARK, encoded, nearly, proper, responses
from _proglove import INFORMATION, INFORMED, JANE, NOW, SERVICE, flow, granted
from vendorauth import MemoryTokenStore, TokenEvent, TokenSource
from vendorauth.errors import VendorAuthError
from vendorauth.messages import Request, Response
from vendorauth.stores._records import NoRecord, read
from vendorauth.testing import ManualClock
from vendorauth.tokens import Token

MOST_REQUESTS: Final = 5
"""For one renewal: asking, and what rule 9a and another client id repeat."""

OLD: Final[dict[str, Any]] = {
    "version": 1,
    "token": {
        "value": MARK,
        "issued_at": NOW.isoformat(),
        "expires_at": NOW.isoformat(),
        "refresh_token": f"r{MARK}",
        "generation": 7,
        "details": {"auth_information": INFORMATION, "username": "jane"},
    },
}
GRANTED: Final = {"AuthenticationResult": {"IdToken": "a.b.c", "RefreshToken": MARK, "ExpiresIn": 3600}}
ASKED: Final = {"ChallengeName": "SMS_MFA", "Session": MARK, "ChallengeParameters": {"a": MARK}}
REFUSED: Final = {"__type": "TooManyRequestsException", "message": MARK}

answers = st.tuples(st.just(INFORMED) | responses(INFORMATION), responses(GRANTED, ASKED, REFUSED) | st.just(granted()))


async def outcome_of(source: TokenSource) -> None:
    """Ask for a token; an error has to be as every error."""
    try:
        token = await source.token()
    except VendorAuthError as error:
        proper(error)
    else:
        assert token.generation > 0
        assert MARK not in repr(token)


@given(st.sampled_from([JANE, SERVICE]), st.just(OLD) | nearly(OLD), answers)
@example(JANE, {**OLD, "token": {**OLD["token"], "generation": 10**4299}}, (INFORMED, granted()))
async def test_any_answer(credentials: Any, stored: Any, given_answers: tuple[Response, ...]) -> None:
    """Any record and any answers end in a token or an error, after a few requests; nothing told shows a secret."""
    requests: list[Request] = []
    events: list[TokenEvent] = []
    store = MemoryTokenStore()
    await store.save("jane", _token(encoded(stored)))

    async def send(request: Request) -> Response:
        requests.append(request)
        return given_answers[request.method == "POST"]

    source = TokenSource(flow(), credentials, store=store, send=send, clock=ManualClock(NOW), on_event=events.append)
    for calls in (1, 2):
        await outcome_of(source)
        assert len(requests) <= calls * MOST_REQUESTS
    await source.aclose()
    assert MARK not in repr(source.status()) + repr(events)


def _token(record: bytes) -> Token:
    try:
        return read(record)
    except (NoRecord, VendorAuthError):
        return Token(value="old", issued_at=NOW, expires_at=NOW, refresh_token="r", generation=7)

"""Events: values that say what happened and hold no secret."""

from datetime import UTC, datetime
from typing import get_args

import attrs
import pytest

import vendorauth
from vendorauth.errors import AuthServiceUnavailable, ChallengeRequired, InvalidCredentials, StoreUnavailable
from vendorauth.events import (
    ChallengeRaised,
    LoggedOut,
    LoginRefused,
    RenewalFailed,
    Renewed,
    Replayed,
    StoreTrouble,
    TokenEvent,
)
from vendorauth.tokens import Challenge

NOW = datetime(2026, 1, 1, tzinfo=UTC)
EVENTS: list[TokenEvent] = [
    Renewed(account="jane", how="refresh", generation=1, expires_at=NOW, seconds=0.5),
    RenewalFailed(account="jane", error=AuthServiceUnavailable("no", "MARK", "MARK"), pause=1.0, ahead=True),
    LoginRefused(account="jane", error=InvalidCredentials("no", "MARK"), pause=300.0),
    LoginRefused(
        account="jane", error=ChallengeRequired(Challenge(name="X", account="jane", hidden={"a": "MARK"})), pause=300.0
    ),
    ChallengeRaised(account="jane", name="SMS_MFA"),
    StoreTrouble(account="jane", operation="save", error=StoreUnavailable("no")),
    Replayed(account="jane", method="GET", path="/x", status=401),
    LoggedOut(account="jane", revoked=True),
]


@pytest.mark.parametrize("event", EVENTS, ids=[type(one).__name__ for one in EVENTS])
def test_an_event_shows_no_more_than_its_errors_do(event: TokenEvent) -> None:
    """Printed or logged, an event shows its error's sentence, not what the vendor sent with it."""
    assert "MARK" not in f"{event!r}{event}"
    assert "jane" in repr(event)


@pytest.mark.parametrize("event", EVENTS, ids=[type(one).__name__ for one in EVENTS])
def test_events_are_values(event: TokenEvent) -> None:
    """One hook can't change what the next one is told."""
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        event.account = "other"  # type: ignore[misc]  # it is what must fail


def test_the_union_is_complete_and_public() -> None:
    """A hook that matches on `TokenEvent` knows all events, each of them importable from the package."""
    assert {type(one) for one in EVENTS} == set(get_args(TokenEvent))
    assert all(getattr(vendorauth, one.__name__) is one for one in get_args(TokenEvent))

"""A status tells enough where the body is too long to be read: refusals rest, and what says "later" is not sent twice."""

import pytest

from _raw import RawServer, http
from vendorauth import (
    AuthServiceUnavailable,
    InvalidCredentials,
    PasswordCredentials,
    ProGloveClient,
    ProtocolError,
    ProtogridClient,
    VendorAuthError,
)
from vendorauth.testing import FakeProGlove, FakeProtogrid, ManualClock

TOO_LONG = b"x" * 3 * 2**20


async def test_refusal_with_a_long_page() -> None:
    """Rule 10: a password that is refused with 3 MB of HTML is sent 4 times in an hour, as with any other page."""
    clock = ManualClock()
    async with FakeProtogrid() as fake:
        credentials = PasswordCredentials(fake.username, fake.password)
        fake.fail_next(100, 401, TOO_LONG, on="login")
        async with ProtogridClient(fake.base_url, credentials, clock=clock) as client:
            for _ in range(60):
                with pytest.raises(InvalidCredentials):
                    await client.get("/api/v2/apps")
                clock.advance(60)
    assert 4 == fake.count.logins


@pytest.mark.parametrize(
    ("status", "expected"), [(503, AuthServiceUnavailable), (429, AuthServiceUnavailable), (400, ProtocolError)]
)
async def test_refresh_that_fails_with_a_long_page(status: int, expected: type[VendorAuthError]) -> None:
    """Rules 9, 9a: what was answered with another status than a success is sent once, however long the page is."""
    clock = ManualClock()
    async with FakeProGlove(clock=clock.timestamp) as fake:
        credentials = PasswordCredentials(fake.username, fake.password)
        address = fake.base_url, fake.customer_id
        async with ProGloveClient(*address, credentials, cognito_url=fake.cognito_url, clock=clock) as client:
            await client.login()
            fake.fail_next(2, status, TOO_LONG, on="refresh")
            clock.advance(3600)
            with pytest.raises(expected) as caught:
                await client.tokens.token()
    assert expected is type(caught.value)
    assert 1 == fake.count.refreshes


async def test_refusal_whose_page_never_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 10: a password that is refused with a page that hangs is sent 4 times in an hour, too."""
    monkeypatch.setattr("vendorauth.engine.transport.PATIENCE_WITH_REFUSALS", 0.01)
    clock, steps = ManualClock(), [http(b"<html>", "401 No", length=100)] * 100
    async with RawServer(*steps) as server:
        credentials = PasswordCredentials("jane@example.com", "s3cret")
        async with ProtogridClient(server.origin, credentials, clock=clock) as client:
            for _ in range(60):
                with pytest.raises(InvalidCredentials):
                    await client.get("/api/v2/apps")
                clock.advance(60)
    assert 4 == len(server.received)

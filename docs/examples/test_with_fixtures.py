from collections.abc import Callable

import pytest

from vendorauth import (
    AuthServiceUnavailable,
    ChallengeRequired,
    PasswordCredentials,
    ProGloveClient,
    ProtogridClient,
    RateLimited,
    TransportError,
)
from vendorauth.testing import FakeProGlove, FakeProtogrid, ManualClock

pytestmark = pytest.mark.asyncio

SCANNERS = 5  # that the fake has
HOUR = 3600
Connect = Callable[[], ProGloveClient]


@pytest.fixture
def connect(fake_proglove: FakeProGlove, vendorauth_clock: ManualClock) -> Connect:
    fake, credentials = fake_proglove, PasswordCredentials(fake_proglove.username, fake_proglove.password)
    return lambda: ProGloveClient(
        fake.base_url, fake.customer_id, credentials, cognito_url=fake.cognito_url, clock=vendorauth_clock, retries=0
    )


async def scanners(proglove: ProGloveClient) -> int:  # what is to be tested
    return len([device async for device in proglove.devices()])


async def test_a_token_that_is_dead_before_its_time(fake_proglove: FakeProGlove, connect: Connect) -> None:
    async with connect() as proglove:
        assert await scanners(proglove) == SCANNERS
        fake_proglove.expire_all()
        assert await scanners(proglove) == SCANNERS
    assert (fake_proglove.count.logins, fake_proglove.count.refreshes) == (1, 1)


async def test_an_hour_later(fake_proglove: FakeProGlove, connect: Connect, vendorauth_clock: ManualClock) -> None:
    async with connect() as proglove:
        assert await scanners(proglove) == SCANNERS
        vendorauth_clock.advance(HOUR)
        assert await scanners(proglove) == SCANNERS
    assert (fake_proglove.count.refreshes, fake_proglove.count.refused) == (1, 0)


async def test_revoked(fake_proglove: FakeProGlove, connect: Connect) -> None:
    async with connect() as proglove:
        assert await scanners(proglove) == SCANNERS
        fake_proglove.revoke_all()
        assert await scanners(proglove) == SCANNERS
    assert (fake_proglove.count.logins, fake_proglove.count.refreshes) == (2, 1)


async def test_throttled_login(fake_proglove: FakeProGlove, connect: Connect) -> None:
    fake_proglove.throttled = True
    async with connect() as proglove:
        with pytest.raises(AuthServiceUnavailable):
            await scanners(proglove)


async def test_throttled_requests(fake_protogrid: FakeProtogrid) -> None:
    credentials = PasswordCredentials(fake_protogrid.username, fake_protogrid.password)
    async with ProtogridClient(fake_protogrid.base_url, credentials) as grid:
        fake_protogrid.fail_next(1, 429, headers={"Retry-After": str(HOUR)}, on="api")
        with pytest.raises(RateLimited) as caught:
            await grid.apps()
        assert caught.value.retry_after == HOUR
        assert await grid.apps()


async def test_a_second_factor(fake_proglove: FakeProGlove, connect: Connect) -> None:
    fake_proglove.require("SOFTWARE_TOKEN_MFA", code="123456")
    async with connect() as proglove:
        with pytest.raises(ChallengeRequired) as caught:
            await scanners(proglove)
        await proglove.tokens.answer(caught.value.challenge, {"SOFTWARE_TOKEN_MFA_CODE": "123456"})
        assert await scanners(proglove) == SCANNERS


async def test_an_outage(fake_proglove: FakeProGlove, connect: Connect) -> None:
    async with connect() as proglove:
        assert await scanners(proglove) == SCANNERS
        await fake_proglove.stop()
        with pytest.raises(TransportError):
            await scanners(proglove)
        await fake_proglove.start()
        assert await scanners(proglove) == SCANNERS
    assert fake_proglove.count.logins == 1

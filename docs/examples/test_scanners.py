import asyncio

import pytest

from vendorauth import InvalidCredentials, PasswordCredentials, ProGloveClient
from vendorauth.testing import FakeProGlove

LOW = 50  # percent


async def low_batteries(proglove: ProGloveClient) -> list[str]:  # what is to be tested
    return [device.id async for device in proglove.devices() if (device.battery or 0) < LOW]


def client_of(fake: FakeProGlove, password: str) -> ProGloveClient:
    credentials = PasswordCredentials(fake.username, password)
    return ProGloveClient(fake.base_url, fake.customer_id, credentials, cognito_url=fake.cognito_url)


def test_low_batteries_through_an_expiry() -> None:
    async def scenario() -> None:
        async with FakeProGlove() as fake, client_of(fake, fake.password) as proglove:
            fake.devices = [{"id": "A", "battery": 90}, {"id": "B", "battery": 20}]
            assert await low_batteries(proglove) == ["B"]
            fake.expire_all()
            assert await low_batteries(proglove) == ["B"]
            assert (fake.count.logins, fake.count.refreshes) == (1, 1)

    asyncio.run(scenario())


def test_a_wrong_password_is_sent_once() -> None:
    async def scenario() -> None:
        async with FakeProGlove() as fake, client_of(fake, "wrong") as proglove:
            for _ in range(3):
                with pytest.raises(InvalidCredentials):
                    await low_batteries(proglove)
            assert fake.count.password_attempts == 1

    asyncio.run(scenario())

"""What the tests of the vendors' lists share."""

from __future__ import annotations

from collections.abc import AsyncIterable
from datetime import UTC, datetime
from typing import Any, TypeVar

from vendorauth import PasswordCredentials, ProGloveClient, ProtogridClient
from vendorauth.testing import FakeProGlove, FakeProtogrid

T = TypeVar("T")

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
NOON_MS = int(NOON.timestamp()) * 1000


def glove_of(fake: FakeProGlove, **options: Any) -> ProGloveClient:
    """Make a client for the fake."""
    credentials = PasswordCredentials(fake.username, fake.password)
    return ProGloveClient(fake.base_url, fake.customer_id, credentials, cognito_url=fake.cognito_url, **options)


def grid_of(fake: FakeProtogrid, **options: Any) -> ProtogridClient:
    """Make a client for the fake."""
    return ProtogridClient(fake.base_url, PasswordCredentials(fake.username, fake.password), **options)


async def take(listing: AsyncIterable[T], into: list[T]) -> None:
    """Put one after the other into a list, which holds what came before an error."""
    async for one in listing:
        into.append(one)  # noqa: PERF401  and not a comprehension, which would lose it

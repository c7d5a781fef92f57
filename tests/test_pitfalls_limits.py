"""Errors, limits and the end of a client's life, where other clients failed: pitfalls 44 to 49, and 50 for Cognito."""

from __future__ import annotations

import asyncio
import copy
import hashlib
import io
import pickle
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from _keeping import SOON, Store
from _vendor import World, settle
from vendorauth import (
    AuthServiceUnavailable,
    ChallengeRequired,
    FileTokenStore,
    InvalidCredentials,
    MemoryTokenStore,
    PasswordCredentials,
    PermissionDenied,
    ProGloveClient,
    ProtocolError,
    ProtogridClient,
    ReauthenticationRequired,
    RefreshTokenCredentials,
    TransportError,
    VendorAuthError,
)
from vendorauth.testing import FakeProGlove, FakeProtogrid, ManualClock

DEVICES = "/{customer_id}/devices"
ECHO = "/{customer_id}/echo"
APPS = "/api/v2/apps"
HOUR = 3600.0


class Names(AbstractResolver):
    """Know where localhost is, unless it is *down*."""

    down = False

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        if self.down:
            raise OSError(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return [ResolveResult(hostname=host, host="127.0.0.1", port=port, family=socket.AF_INET, proto=0, flags=0)]

    async def close(self) -> None:
        """Have nothing to close."""


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def fake(clock: ManualClock) -> AsyncIterator[FakeProGlove]:
    async with FakeProGlove(clock=clock.timestamp) as server:
        yield server


@pytest.fixture
async def grid(clock: ManualClock) -> AsyncIterator[FakeProtogrid]:
    async with FakeProtogrid(clock=clock.timestamp) as server:
        yield server


def proglove_of(fake: FakeProGlove, **options: Any) -> ProGloveClient:
    given = {"credentials": PasswordCredentials(fake.username, fake.password), "cognito_url": fake.cognito_url}
    return ProGloveClient(fake.base_url, fake.customer_id, **{**given, **options})


def protogrid_of(grid: FakeProtogrid, **options: Any) -> ProtogridClient:
    return ProtogridClient(grid.base_url, PasswordCredentials(grid.username, grid.password), **options)


OUTAGES: dict[str, tuple[Callable[[FakeProGlove, Names], object], type[VendorAuthError]]] = {
    "DNS": (lambda fake, names: setattr(names, "down", True), TransportError),
    "lost": (lambda fake, names: fake.lose_next(2), TransportError),
    "500": (lambda fake, names: fake.fail_next(1, 500), AuthServiceUnavailable),
    "page": (lambda fake, names: fake.fail_next(2, 200, b"<html>"), ProtocolError),
    "throttled": (lambda fake, names: setattr(fake, "throttled", True), AuthServiceUnavailable),
}


@pytest.mark.parametrize("outage", OUTAGES)
@pytest.mark.parametrize("cold", [True, False], ids=["login", "refresh"])
async def test_an_outage_is_no_refusal(fake: FakeProGlove, clock: ManualClock, outage: str, cold: bool) -> None:
    """
    Pitfall 44: What passes by itself, from DNS to throttling, is an error that says so and asks nobody to log in again.

    All tokens are kept, and the client goes on by itself when it is over.
    """
    begin, kind = OUTAGES[outage]
    connector = aiohttp.TCPConnector(resolver=(names := Names()), use_dns_cache=False, force_close=True)
    url = fake.cognito_url.replace("127.0.0.1", "localhost")
    async with (
        aiohttp.ClientSession(connector=connector) as lent,
        proglove_of(fake, cognito_url=url, session=lent, clock=clock, retries=0) as client,
    ):
        if not cold:
            await client.get(DEVICES)
            clock.advance(HOUR)
        begin(fake, names)
        with pytest.raises(kind) as caught:
            await client.get(DEVICES)
        assert (kind, True) == (type(caught.value), caught.value.temporary)
        names.down = fake.throttled = False
        fake.heal()
        logins, refreshes = fake.count.logins, fake.count.refreshes
        clock.advance(61)
        await client.get(DEVICES)
        assert (cold, not cold) == (fake.count.logins > logins, fake.count.refreshes > refreshes)


async def test_a_refusal_is_no_outage(fake: FakeProGlove) -> None:
    """Pitfall 44: Only what the vendor definitely refuses is called so, with one error where a person must help."""
    wrong, dead = PasswordCredentials(fake.username, "wrong"), RefreshTokenCredentials("dead")
    for credentials, kind in ((wrong, InvalidCredentials), (dead, ReauthenticationRequired)):
        async with proglove_of(fake, credentials=credentials, account="jane") as client:
            with pytest.raises(kind) as caught:
                await client.get(DEVICES)
            assert (kind, False) == (type(caught.value), caught.value.temporary)


@pytest.fixture
def _cheap_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashlib, "scrypt", lambda content, *, salt, **_: hashlib.sha256(salt + content).digest())


@pytest.mark.usefixtures("_cheap_hash")
@pytest.mark.parametrize("scheme", ["proglove", "cookie", "headers", "basic"])
async def test_right_password_refused_in_an_outage(
    fake: FakeProGlove, grid: FakeProtogrid, clock: ManualClock, scheme: Any
) -> None:
    """
    Pitfall 45: A vendor that refuses the right password is asked a few times a day, however often it is called.

    When it comes to its senses, the client goes on by itself, within an hour.
    """
    proglove = scheme == "proglove"
    server = fake if proglove else grid
    fake.user_state, grid.locked = "locked", True
    client = proglove_of(fake, clock=clock) if proglove else protogrid_of(grid, clock=clock, scheme=scheme)
    path = DEVICES if proglove else APPS
    async with client:
        for _ in range(int(3 * HOUR / 60)):
            with pytest.raises(InvalidCredentials):
                await client.get(path)
            clock.advance(60)
        assert 6 <= server.count.password_attempts <= 12
        fake.user_state, grid.locked = "ok", False
        clock.advance(HOUR)
        await client.get(path)


async def test_restarts_do_not_ask_again(fake: FakeProGlove, tmp_path: Path) -> None:
    """Pitfall 45: A service that crashes and restarts does not send a refused password again: the store remembers it."""
    fake.user_state = "locked"
    for _ in range(4):
        async with proglove_of(fake, store=FileTokenStore(tmp_path / "tokens")) as client:
            with pytest.raises(InvalidCredentials):
                await client.get(DEVICES)
    assert 1 == fake.count.password_attempts


@pytest.mark.parametrize("how", [pickle.dumps, copy.copy, copy.deepcopy])
async def test_what_can_not_be_copied_says_so(fake: FakeProGlove, how: Callable[[object], object]) -> None:
    """Pitfall 47: A client, a token source and a store in memory can't be pickled or copied, and say what to do."""
    async with proglove_of(fake) as client:
        for thing in (client, client.tokens, MemoryTokenStore()):
            with pytest.raises(TypeError, match=f"^a {type(thing).__name__} can't be pickled or copied: .* make one"):
                how(thing)


def _through_a_pickle(thing: Any) -> Any:
    return pickle.loads(pickle.dumps(thing))


async def test_what_can_be_copied(fake: FakeProGlove, tmp_path: Path) -> None:
    """Pitfall 47: Credentials, tokens, errors and file stores can be pickled, and do their work at the other end."""
    store = FileTokenStore(tmp_path / "tokens")
    async with proglove_of(fake, store=store) as client:
        await client.get(DEVICES)
        known = PasswordCredentials(fake.username, fake.password)
        token = client.tokens.peek()
    fake.require("SMS_MFA")
    async with proglove_of(fake) as client:
        with pytest.raises(ChallengeRequired) as caught:
            await client.get(DEVICES)
    for how in (copy.copy, copy.deepcopy, _through_a_pickle):
        assert (known, token) == how((known, token))
        assert (ChallengeRequired, str(caught.value)) == (type(twin := how(caught.value)), str(twin))
        async with proglove_of(fake, credentials=how(known), store=how(store)) as again:
            await again.get(DEVICES)
    assert 2 == fake.count.logins


async def test_closing_ends_everything_of_ours(fake: FakeProGlove, clock: ManualClock) -> None:
    """Pitfall 48: `aclose()` lets a renewal save what it gets; then no task and no connection of the client is left."""
    store = MemoryTokenStore()
    client = proglove_of(fake, clock=clock, store=store)
    await client.get(DEVICES)
    clock.advance(3400)
    with fake.hold("refresh") as hold:
        await client.get(DEVICES)
        await hold.arrived()
        closing = asyncio.create_task(client.aclose())
        await settle()
        assert not closing.done()
    await closing
    assert [] == [task for task in asyncio.all_tasks() if "vendorauth" in task.get_name()]
    saved = await store.load(client.tokens.flow.account)
    assert saved is not None
    assert clock.now() == saved.issued_at
    await settle()
    assert 0 == fake.connections


async def test_closing_while_saving_fails() -> None:
    """Pitfall 48: A save that is being repeated is tried a last time by `aclose()`, and its task ends."""
    store = Store()
    store.failing = {"save"}
    source = World(store=store).source(policy=SOON)
    await source.token()
    await source.aclose()
    assert [] == [task for task in asyncio.all_tasks() if "vendorauth" in task.get_name()]


async def test_a_lent_session_stays_open(fake: FakeProGlove, grid: FakeProtogrid) -> None:
    """Pitfall 48: A session that was lent is never closed: other clients, and its owner, go on using it."""
    async with aiohttp.ClientSession() as lent:
        async with protogrid_of(grid, session=lent) as other:
            async with proglove_of(fake, session=lent) as client:
                await client.get(DEVICES)
            await client.aclose()
            await other.get(APPS)
        async with lent.get(fake.origin) as response:
            assert 405 == response.status
        assert not lent.closed


async def chunks() -> AsyncIterator[bytes]:
    """Be a body that can be sent once."""
    for part in (b"on", b"ce"):
        yield part


@pytest.mark.parametrize("body", [chunks, lambda: io.BytesIO(b"once")], ids=["generator", "file"])
async def test_a_body_that_is_gone_is_not_sent_again(fake: FakeProGlove, body: Callable[[], Any]) -> None:
    """Pitfall 49: A body that can be sent only once is never replaced by an empty one: the refusal is raised and says so."""
    async with proglove_of(fake) as client:
        await client.get(DEVICES)
        fake.expire_all()
        with pytest.raises(PermissionDenied, match="this body can't be sent twice") as caught:
            await client.post(ECHO, data=body())
        assert 403 == caught.value.status
        await client.post(ECHO, data=body())
    assert [b"once", b"once"] == [one.body for one in fake.requests if one.method == "POST" and one.kind == "api"]
    assert 1 == fake.count.refreshes


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"data": b"twice"}, b"twice"),
        ({"data": "twice"}, b"twice"),
        ({"data": {"a": "1"}}, b"a=1"),
        ({"json": {"a": 1}}, b'{"a":1}'),
        ({}, b""),
    ],
)
async def test_other_bodies_are_sent_again(fake: FakeProGlove, given: dict[str, Any], expected: bytes) -> None:
    """Pitfall 49: Bytes, text, forms and JSON are sent again after a renewal, whole."""
    async with proglove_of(fake) as client:
        await client.get(DEVICES)
        fake.expire_all()
        await client.post(ECHO, **given)
    assert 2 * [expected] == [one.body for one in fake.requests if one.method == "POST" and one.kind == "api"]


@pytest.mark.parametrize("refresh_with", ["initiate-auth", "get-tokens"])
async def test_the_device_key_is_kept(fake: FakeProGlove, tmp_path: Path, refresh_with: Any) -> None:
    """Pitfall 50: The device key that a login brings is stored, and goes with every refresh, also after a restart."""
    fake.device_key = "eu-west-1_12345678-1234-1234-1234-123456789012"
    kept: dict[str, Any] = {"store": FileTokenStore(tmp_path / "tokens"), "refresh_with": refresh_with, "account": "a"}
    async with proglove_of(fake, **kept) as client:
        await client.get(DEVICES)
    for _ in range(3):
        fake.expire_all()
        async with proglove_of(fake, credentials=None, **kept) as client:
            await client.get(DEVICES)
    refreshes = [one.json for one in fake.requests if one.kind == "refresh"]
    keys = [one.get("DeviceKey") or one["AuthParameters"]["DEVICE_KEY"] for one in refreshes]
    assert (1, 3 * [fake.device_key]) == (fake.count.logins, keys)


async def test_the_refresh_token_is_carried_on(fake: FakeProGlove, tmp_path: Path) -> None:
    """Pitfall 50: A refresh whose answer has no refresh token keeps the one that there is, also after a restart."""
    kept: dict[str, Any] = {"store": FileTokenStore(tmp_path / "tokens"), "account": "a"}
    for credentials in (PasswordCredentials(fake.username, fake.password), None, None):
        async with proglove_of(fake, credentials=credentials, **kept) as client:
            await client.get(DEVICES)
            fake.expire_all()
            await client.get(DEVICES)
            fake.expire_all()
    assert (1, 5) == (fake.count.logins, fake.count.refreshes)
    sent = {one.json["AuthParameters"]["REFRESH_TOKEN"] for one in fake.requests if one.kind == "refresh"}
    assert 1 == len(sent)


async def test_the_pools_own_user_name(fake: FakeProGlove) -> None:
    """Pitfall 50: Cognito is told the user name that it gave itself, not the e-mail that was typed; a refresh names none."""
    fake.require("SMS_MFA", parameters={"USER_ID_FOR_SRP": fake.user_id})

    async def answer(_: object) -> dict[str, str]:
        return {"SMS_MFA_CODE": "123456"}

    async with proglove_of(fake, on_challenge=answer) as client:
        await client.get(DEVICES)
        fake.expire_all()
        await client.get(DEVICES)
    (answered,) = [one.json for one in fake.requests if one.kind == "challenge"]
    (refreshed,) = [one.json for one in fake.requests if one.kind == "refresh"]
    assert fake.user_id == answered["ChallengeResponses"]["USERNAME"]
    assert {"REFRESH_TOKEN"} == refreshed["AuthParameters"].keys()

"""Pitfalls 20 to 28 of other clients: refresh tokens that rotate, and programs that share one login."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from _pitfalls import (
    AGEING,
    DEAD,
    DEVICES,
    PATIENCE,
    DownStore,
    LocklessStore,
    OwnStore,
    Sibling,
    SlowStore,
    client_of,
    errors_in,
    many,
    renewals_done,
)
from vendorauth import (
    ChallengeRequired,
    FileTokenStore,
    ProGloveClient,
    ReauthenticationRequired,
    RefreshPolicy,
    RefreshTokenCredentials,
    Renewed,
    RequestTimeout,
    StoreLockTimeout,
    StoreTrouble,
    StoreUnavailable,
    Token,
    TokenEvent,
)
from vendorauth.testing import FakeProGlove, ManualClock

REFUSED = json.dumps({"__type": "NotAuthorizedException", "message": "Invalid Refresh Token."}).encode()


async def test_background_renewals_with_a_slow_store() -> None:
    """Pitfall 20: A renewal in the background has stored its rotated token before it ends, and deletes nothing."""
    clock, store = ManualClock(), SlowStore()
    async with (
        FakeProGlove(clock=clock.timestamp, rotation=True) as fake,
        client_of(fake, clock=clock, store=store) as client,
    ):
        account = client.tokens.flow.account
        for _ in range(5):
            await client.get(DEVICES)
            clock.advance(AGEING)
            await client.get(DEVICES)
            await renewals_done()
            assert client.tokens.peek() == await store.load(account)
        assert account not in store.deleted
        assert 6 == len({token.refresh_token for token in store.saved})
        assert (1, 5, 0) == (fake.count.logins, fake.count.refreshes, fake.count.reuse)


async def test_saved_before_it_is_used() -> None:
    """Pitfall 20: No request carries a new token before the store has it, so that a crash never loses a rotated one."""
    store = SlowStore()
    async with FakeProGlove(rotation=True) as fake, client_of(fake, store=store) as client:
        await client.get(DEVICES)
        fake.expire_all()
        store.saving.clear()
        store.gate = asyncio.Event()
        calls = asyncio.ensure_future(many(client, 5))
        await asyncio.wait_for(store.saving.wait(), PATIENCE)
        late = asyncio.ensure_future(many(client, 5))
        while fake.count.refused < 10:
            await asyncio.sleep(0)
        assert (1, 10, 11) == (fake.count.refreshes, fake.count.refused, fake.count.api)
        store.gate.set()
        assert [] == errors_in([*await calls, *await late])
        assert (1, 1, 21) == (fake.count.logins, fake.count.refreshes, fake.count.api)


@pytest.mark.parametrize("kind", ["a user's own store", "files"])
async def test_restarts_without_a_hook(kind: str, tmp_path: Path) -> None:
    """Pitfall 21: Every renewed token reaches the store by itself; a restarted program goes on with it, without a login."""
    own = OwnStore()
    async with FakeProGlove(rotation=True) as fake:
        for _ in range(4):
            store = own if kind == "a user's own store" else FileTokenStore(tmp_path / "tokens")
            async with client_of(fake, store=store) as client:
                await client.get(DEVICES)
                assert client.tokens.peek() == await store.load(client.tokens.flow.account)
            fake.expire_all()
        assert (1, 3, 0) == (fake.count.logins, fake.count.refreshes, fake.count.reuse)


async def _expired(client: ProGloveClient, fake: FakeProGlove, clock: ManualClock) -> None:
    clock.advance(DEAD)
    await client.get(DEVICES)


async def _refused(client: ProGloveClient, fake: FakeProGlove, clock: ManualClock) -> None:
    fake.expire_all()
    await client.get(DEVICES)


async def _refused_stream(client: ProGloveClient, fake: FakeProGlove, clock: ManualClock) -> None:
    fake.expire_all()
    async with client.stream("GET", DEVICES):
        pass


async def _refused_page(client: ProGloveClient, fake: FakeProGlove, clock: ManualClock) -> None:
    fake.expire_all()
    assert [device async for device in client.devices()]


async def _ahead(client: ProGloveClient, fake: FakeProGlove, clock: ManualClock) -> None:
    clock.advance(AGEING)
    await client.get(DEVICES)
    await renewals_done()


async def _login(client: ProGloveClient, fake: FakeProGlove, clock: ManualClock) -> None:
    await client.login()


async def _answered(client: ProGloveClient, fake: FakeProGlove, clock: ManualClock) -> None:
    fake.require("SOFTWARE_TOKEN_MFA", code="123456")
    with pytest.raises(ChallengeRequired) as caught:
        await client.login()
    await client.tokens.answer(caught.value.challenge, {"SOFTWARE_TOKEN_MFA_CODE": "123456"})


async def _asked(client: ProGloveClient, fake: FakeProGlove, clock: ManualClock) -> None:
    await client.tokens.token()
    await client.tokens.renew(client.tokens.peek() or pytest.fail("there is no token"))


@pytest.mark.parametrize("way", [_expired, _refused, _refused_stream, _refused_page, _ahead, _login, _answered, _asked])
async def test_one_path_for_every_new_token(way: Callable[..., Any]) -> None:
    """Pitfall 22: By whatever way a token is renewed, its new refresh token is stored, and is the one that is sent next."""
    clock, store = ManualClock(), SlowStore()
    async with (
        FakeProGlove(clock=clock.timestamp, rotation=True) as fake,
        client_of(fake, clock=clock, store=store) as client,
    ):
        await client.get(DEVICES)
        first = client.tokens.peek()
        await way(client, fake, clock)
        second = await store.load(client.tokens.flow.account)
        assert first is not None
        assert second is not None
        assert second == client.tokens.peek()
        assert second.refresh_token != first.refresh_token
        fake.expire_all()
        await client.get(DEVICES)
        sent = [one.json["RefreshToken"] for one in fake.requests if one.kind == "refresh"]
        assert second.refresh_token == sent[-1]
        assert 0 == fake.count.reuse


async def test_configured_refresh_token_that_rotates() -> None:
    """Pitfall 22: A configured refresh token that rotates is replaced by its stored successor, also after a restart."""
    store = SlowStore()
    async with FakeProGlove(rotation=True) as fake:
        async with client_of(fake) as person:
            given = (await person.tokens.token()).refresh_token
        assert given is not None
        for _ in range(3):
            async with client_of(fake, RefreshTokenCredentials(given), account="service", store=store) as service:
                await service.get(DEVICES)
                fake.expire_all()
                await service.get(DEVICES)
            fake.expire_all()
        assert (1, 0, 1) == (fake.count.password_attempts, fake.count.reuse, fake.refreshable_logins)


@pytest.mark.parametrize("loss", ["connection", "timeout", "unreadable"])
@pytest.mark.parametrize(
    ("grace", "password", "logins"),
    [(60.0, True, 1), (0.0, True, 2), (0.0, False, 1)],
    ids=["grace", "password", "nothing left"],
)
async def test_lost_reply(loss: str, grace: float, password: bool, logins: int) -> None:
    """Pitfall 23: A rotating refresh whose reply is lost is sent once more while nobody else can; then the password helps."""
    store, policy = SlowStore(), RefreshPolicy(deadline=0.4 if loss == "timeout" else 20.0)
    async with FakeProGlove(rotation=True) as fake:
        fake.grace = grace
        async with client_of(fake, store=store) as before:
            await before.get(DEVICES)
            account = before.tokens.flow.account
        fake.expire_all()
        credentials = ... if password else None
        async with client_of(fake, credentials, account=account, store=store, policy=policy) as client:
            if loss == "connection":
                fake.lose_next(on="refresh")
            elif loss == "unreadable":
                fake.amend("refresh", lambda _: b"<html>", times=1)
            held = fake.hold("refresh", limit=1) if loss == "timeout" else fake.hold("refresh", limit=0)
            with held:
                results = await many(client, 10)
            assert [ReauthenticationRequired] * (0 if password else 10) == [type(one) for one in errors_in(results)]
            assert (logins, 2) == (fake.count.logins, fake.count.refreshes)
            assert int(not grace) == fake.count.reuse
            if not password:
                await many(client, 10)
                assert 2 == fake.count.refreshes


async def test_loser_of_a_race() -> None:
    """Pitfall 24: A program whose refresh is refused uses the token that another has stored meanwhile, and deletes nothing."""
    store = SlowStore()
    async with (
        FakeProGlove(rotation=True) as fake,
        client_of(fake, store=store) as loser,
        client_of(fake, store=LocklessStore(store)) as winner,
        asyncio.timeout(PATIENCE),
    ):
        account = loser.tokens.flow.account
        await loser.get(DEVICES)
        await winner.get(DEVICES)
        fake.expire_all()
        fake.fail_next(1, 400, REFUSED, {"Content-Type": "application/x-amz-json-1.1"}, on="refresh")
        with fake.hold("refresh", limit=1) as hold:
            lost = asyncio.ensure_future(many(loser, 5))
            await hold.arrived()
            await winner.get(DEVICES)
            newest = await store.load(account)
        assert [] == errors_in(await lost)
        assert newest == winner.tokens.peek() == loser.tokens.peek() == await store.load(account)
        assert account not in store.deleted
        assert (1, 2, 0) == (fake.count.logins, fake.count.refreshes, fake.count.reuse)


@pytest.mark.parametrize("expiry", ["by the clock", "at the server"])
async def test_siblings_take_turns(expiry: str, tmp_path: Path) -> None:
    """Pitfall 25: Programs that share a store spend the refresh token that was stored last, never the one they remember."""
    clock = ManualClock()
    async with FakeProGlove(clock=clock.timestamp, rotation=True) as fake, AsyncExitStack() as stack:
        siblings = [
            await stack.enter_async_context(client_of(fake, clock=clock, store=FileTokenStore(tmp_path / "tokens")))
            for _ in range(3)
        ]
        for turn in range(9):
            await siblings[turn % 3].get(DEVICES)
            if expiry == "by the clock":
                clock.advance(DEAD)
            else:
                fake.expire_all()
        assert (1, 8, 0) == (fake.count.logins, fake.count.refreshes, fake.count.reuse)


async def test_token_read_before_the_lock(tmp_path: Path) -> None:
    """Pitfall 26: What was read before the lock was taken is read again once it is held, so that no spent token is sent."""
    clock, events = ManualClock(), list[TokenEvent]()

    def program(on_event: Callable[[TokenEvent], None] | None = None) -> ProGloveClient:
        return client_of(fake, clock=clock, store=FileTokenStore(tmp_path / "tokens"), on_event=on_event)

    async with FakeProGlove(clock=clock.timestamp, rotation=True) as fake, program() as first:
        await first.get(DEVICES)
        clock.advance(DEAD)
        async with program(events.append) as second:
            with fake.hold("refresh") as hold:
                calls = [asyncio.ensure_future(many(first, 5))]
                await hold.arrived()
                read = _watch_loads(second)
                calls.append(asyncio.ensure_future(many(second, 5)))
                await asyncio.wait_for(read.wait(), PATIENCE)
            assert [] == errors_in([one for results in await asyncio.gather(*calls) for one in results])
        assert ["store"] == [event.how for event in events if isinstance(event, Renewed)]
        assert (1, 1, 0) == (fake.count.logins, fake.count.refreshes, fake.count.reuse)


def _watch_loads(client: ProGloveClient) -> asyncio.Event:
    """Tell when *client* has read the store for the first time."""
    read, vault = asyncio.Event(), client.tokens._setup.vault
    load = vault.store.load

    async def watched(account: str) -> Token | None:
        token = await load(account)
        read.set()
        return token

    vault.store.load = watched  # type: ignore[method-assign]  # it watches one store object
    return read


async def test_three_processes(tmp_path: Path) -> None:
    """Pitfall 27: Processes that share files share one login and one refresh at each expiry, and spend no token twice."""
    async with FakeProGlove(rotation=True) as fake:
        siblings = await asyncio.gather(*(Sibling.start(fake, tmp_path / "tokens") for _ in range(3)))
        try:
            for refreshes in range(3):
                answers = await asyncio.gather(*(one.ask() for one in siblings))
                assert [["answered"]] * 3 == [answer[:1] for answer in answers]
                assert 1 == len({answer[1] for answer in answers})
                assert (1, refreshes, 0) == (fake.count.logins, fake.count.refreshes, fake.count.reuse)
                fake.expire_all()
            assert [0] * 3 == [await one.end() for one in siblings]
        finally:
            for one in siblings:
                await one.kill()
        assert 45 + fake.count.refused == fake.count.api
        assert 1 == fake.refreshable_logins


async def test_waiting_for_a_slow_holder(tmp_path: Path) -> None:
    """Pitfall 28: Whoever waits for the lock waits for longer than the holder's renewal can take, and then gets its turn."""
    waits = inspect.signature(FileTokenStore).parameters["lock_timeout"].default
    assert waits > RefreshPolicy().deadline
    async with (
        FakeProGlove() as fake,
        client_of(fake, store=FileTokenStore(tmp_path / "tokens"), policy=RefreshPolicy(deadline=0.2)) as slow,
        client_of(fake, store=FileTokenStore(tmp_path / "tokens")) as patient,
    ):
        with fake.hold("login", limit=1) as hold:
            calls = [asyncio.ensure_future(many(slow, 5))]
            await hold.arrived()
            calls.append(asyncio.ensure_future(many(patient, 5)))
            failed, answered = await asyncio.wait_for(asyncio.gather(*calls), PATIENCE)
        assert [RequestTimeout] * 5 == [type(one) for one in failed]
        assert [] == errors_in(answered)
        assert 2 == fake.count.logins


async def test_held_and_down_are_told_apart(tmp_path: Path) -> None:
    """Pitfall 28: A lock that another holds is an error that passes; a store that is down costs nobody an answer."""
    folder, events, clock = tmp_path / "tokens", list[TokenEvent](), ManualClock()
    async with (
        FakeProGlove() as fake,
        client_of(fake, store=FileTokenStore(folder, lock_timeout=0.05), on_event=events.append, clock=clock) as client,
    ):
        async with FileTokenStore(folder).lock(client.tokens.flow.account):
            errors = errors_in(await many(client, 5))
        assert [StoreLockTimeout] * 5 == [type(one) for one in errors]
        assert StoreLockTimeout.temporary
        assert 0 == fake.count.logins
        clock.advance(1.0)
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
        folder.write_text("a file where the directory was")
        assert [] == errors_in(await many(client, 5))
        assert 1 == fake.count.logins
    assert [StoreLockTimeout, StoreUnavailable] == list(
        dict.fromkeys(type(event.error) for event in events if isinstance(event, StoreTrouble))
    )


async def test_lock_that_cannot_be_reached() -> None:
    """Pitfall 28: Where the lock can't be reached, calls are answered, with a new login in place of a token that rotates."""
    store, events = DownStore(), list[TokenEvent]()
    async with FakeProGlove(rotation=True) as fake, client_of(fake, store=store, on_event=events.append) as client:
        for _ in range(2):
            await client.get(DEVICES)
            fake.expire_all()
        store.down = True
        assert [] == errors_in(await many(client, 5))
        assert (2, 1, 0) == (fake.count.logins, fake.count.refreshes, fake.count.reuse)
    troubles = {(event.operation, type(event.error)) for event in events if isinstance(event, StoreTrouble)}
    assert {("lock", StoreUnavailable)} == troubles


async def test_who_gave_up_releases_nothing(tmp_path: Path) -> None:
    """Pitfall 28: Whoever waited in vain, or was cancelled while waiting, does not take the lock from its holder."""
    impatient = FileTokenStore(tmp_path / "tokens", lock_timeout=0.01)
    patient = FileTokenStore(tmp_path / "tokens")
    async with FakeProGlove() as fake, client_of(fake, store=FileTokenStore(tmp_path / "tokens")) as client:
        account = client.tokens.flow.account
        with fake.hold("login") as hold:
            call = asyncio.ensure_future(client.get(DEVICES))
            await hold.arrived()
            waiting = asyncio.ensure_future(patient.lock(account).__aenter__())
            for _ in range(3):
                with pytest.raises(StoreLockTimeout):
                    await impatient.lock(account).__aenter__()
                waiting.cancel()
        await call
        async with impatient.lock(account):
            assert waiting.cancelled()
        assert 1 == fake.count.logins

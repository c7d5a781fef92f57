"""Pitfalls 1 to 7 of other clients: refresh races and stampedes."""

import asyncio
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path

import aiohttp
import attrs
import pytest

from _api import ApiFlow, serve
from _pitfalls import AGEING, DEAD, DEVICES, SlowStore, client_of, errors_in, many, renewals_done
from vendorauth import (
    AuthServiceUnavailable,
    FileTokenStore,
    MemoryTokenStore,
    PasswordCredentials,
    ProtogridClient,
    Token,
    TokenStore,
)
from vendorauth.testing import FakeProGlove, FakeProtogrid, ManualClock


@pytest.mark.parametrize("expiry", ["by the clock", "at the server"])
async def test_fifty_requests_with_an_expired_token(expiry: str) -> None:
    """Pitfall 1: Fifty requests that meet an expired token make one renewal, and all of them are answered."""
    clock = ManualClock()
    async with (
        FakeProGlove(clock=clock.timestamp, rotation=True) as fake,
        client_of(fake, clock=clock) as client,
    ):
        await client.get(DEVICES)
        if expiry == "by the clock":
            clock.advance(DEAD)
        else:
            fake.expire_all()
        assert [] == errors_in(await many(client, 50))
        assert (1, 1, 0) == (fake.count.logins, fake.count.refreshes, fake.count.reuse)


async def test_fifty_requests_with_an_expired_cookie() -> None:
    """Pitfall 1: Fifty requests that meet an expired session cookie make one login, and all of them are answered."""
    async with FakeProtogrid() as fake:
        credentials = PasswordCredentials(fake.username, fake.password)
        async with ProtogridClient(fake.base_url, credentials) as client:
            await client.get("/api/v2/apps")
            fake.expire_all()
            calls = (client.get("/api/v2/apps") for _ in range(50))
            assert [] == errors_in(await asyncio.gather(*calls, return_exceptions=True))
        assert (2, 2) == (fake.count.logins, fake.count.password_attempts)


@pytest.mark.parametrize("kind", ["one memory store", "a file store for each"])
async def test_a_client_for_each_request(kind: str, tmp_path: Path) -> None:
    """Pitfall 2: Clients made for one request each share one renewal through their store, as one client does."""
    shared = MemoryTokenStore()

    def store() -> TokenStore:
        return shared if kind == "one memory store" else FileTokenStore(tmp_path / "tokens")

    async with FakeProGlove(rotation=True) as fake, aiohttp.ClientSession() as session:

        async def handle() -> object:
            async with client_of(fake, store=store(), session=session) as client:
                return await client.get(DEVICES)

        for _ in range(2):
            results = await asyncio.gather(*(handle() for _ in range(10)), return_exceptions=True)
            assert [] == errors_in(results)
            fake.expire_all()
        assert (1, 1, 0) == (fake.count.logins, fake.count.refreshes, fake.count.reuse)


async def test_many_clients_ask_for_the_token_itself() -> None:
    """Pitfall 3: Ten clients of one account share one renewal, also for callers who want the token and send nothing."""
    store = MemoryTokenStore()
    async with FakeProGlove(rotation=True) as fake, AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(client_of(fake, store=store)) for _ in range(10)]
        tokens = await asyncio.gather(*(client.tokens.token() for client in clients for _ in range(5)))
        assert 1 == len({token.value for token in tokens})
        assert (1, 1) == (fake.count.auth_information, fake.count.logins)
        fake.expire_all()
        renewals = (client.tokens.renew(tokens[0]) for client in clients)
        requests = (client.get(DEVICES) for client in clients for _ in range(4))
        assert [] == errors_in(await asyncio.gather(*renewals, *requests, return_exceptions=True))
        assert (1, 1, 0) == (fake.count.logins, fake.count.refreshes, fake.count.reuse)


async def test_many_clients_share_a_failure() -> None:
    """Pitfall 3: While the vendor fails, fifty callers at ten clients make one try and share its error."""
    store = MemoryTokenStore()
    async with FakeProGlove() as fake, AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(client_of(fake, store=store)) for _ in range(10)]
        fake.fail_next(50, 500, on="login")
        calls = (client.get(DEVICES) for client in clients for _ in range(5))
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert [AuthServiceUnavailable] * 50 == [type(one) for one in results]
        assert 1 == fake.count.logins


@pytest.mark.parametrize(
    ("stored", "expected"),
    [("nothing", (1, 0, 2)), ("a fresh token", (0, 0, 1)), ("an expired token", (0, 1, 2))],
)
async def test_cold_start(stored: str, expected: tuple[int, int, int]) -> None:
    """Pitfall 4: The first fifty calls of a process share the reading of the store and the one renewal, if it is due."""
    clock, store = ManualClock(), SlowStore()
    async with FakeProGlove(clock=clock.timestamp, rotation=True) as fake:
        if stored != "nothing":
            async with client_of(fake, store=store, clock=clock) as before:
                await before.get(DEVICES)
        if stored == "an expired token":
            clock.advance(DEAD)
        fake.count.reset()
        store.loads = 0
        async with client_of(fake, store=store, clock=clock) as client:
            assert [] == errors_in(await many(client, 50))
        assert expected == (fake.count.logins, fake.count.refreshes, store.loads)


class PairFlow(ApiFlow):
    """Prove a token by two headers that belong together, as a key and its id do."""

    def headers(self, token: Token) -> dict[str, str]:
        """Send both parts."""
        return {"Authorization": token.value, "Key-Id": token.details["key_id"]}

    def _issue(self, now: datetime) -> Token:
        token = super()._issue(now)
        return attrs.evolve(token, details={"key_id": token.value})


async def test_parts_of_one_token() -> None:
    """Pitfall 5: A request carries the parts of one token only, however many renewals happen around it."""
    async with serve() as api:
        api.flow = PairFlow(api.url)
        async with api.client() as client:
            held = await client.tokens.token()
            before = attrs.asdict(held)

            async def renewing() -> None:
                for _ in range(10):
                    await client.login()
                    await client.get("/x")

            requests = (client.get("/x") for _ in range(100))
            await asyncio.gather(renewing(), *requests, renewing())
            assert before == attrs.asdict(held)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        held.value = "changed"  # type: ignore[misc]  # that is the point
    sent = [(one.headers["Authorization"], one.headers["Key-Id"]) for one in api.seen]
    assert [] == [pair for pair in sent if pair[0] != pair[1]]
    assert 10 < len(set(sent))


async def test_two_users_at_the_same_time() -> None:
    """Pitfall 6: Users of one vendor never get each other's token, even when both renew at the same moment."""
    store = MemoryTokenStore()
    async with FakeProGlove(rotation=True) as fake, aiohttp.ClientSession() as session, AsyncExitStack() as stack:
        users = {
            name: await stack.enter_async_context(
                client_of(fake, PasswordCredentials(name, fake.password), store=store, session=session)
            )
            for name in (fake.username, fake.user_id)
        }
        first = {name: await client.tokens.token() for name, client in users.items()}
        fake.expire_all()
        with fake.hold("refresh") as hold:
            calls = [
                asyncio.ensure_future(client.get("/{customer_id}/echo", params={"user": name}))
                for name, client in users.items()
                for _ in range(10)
            ]
            await hold.arrived(2)
        await asyncio.gather(*calls)
        second = {name: await client.tokens.token() for name, client in users.items()}
        for name in users:
            used = {
                one.headers["Authorization"]
                for one in fake.requests
                if one.kind == "api" and one.params["user"] == name
            }
            assert {first[name].value, second[name].value} == used
        spent = [one.json["RefreshToken"] for one in fake.requests if one.kind == "refresh"]
        assert sorted(str(token.refresh_token) for token in first.values()) == sorted(spent)
        assert (2, 2, 0) == (fake.count.logins, fake.count.refreshes, fake.count.reuse)


async def test_late_refusal() -> None:
    """Pitfall 7: A request whose token is refused after somebody else has renewed it is sent again without a renewal."""
    async with FakeProGlove(rotation=True) as fake, client_of(fake) as client:
        await client.get(DEVICES)
        fake.expire_all()
        with fake.hold("api", limit=1) as hold:
            late = asyncio.ensure_future(client.get(DEVICES))
            await hold.arrived()
            await client.get(DEVICES)
        await late
        assert (1, 1, 0, 1) == (
            fake.count.logins,
            fake.count.refreshes,
            fake.count.reuse,
            fake.refreshable_logins,
        )


@pytest.mark.parametrize("life", [AGEING, DEAD])
async def test_two_programs_renew_at_the_same_time(life: float, tmp_path: Path) -> None:
    """Pitfall 7: Of two programs that share files and want to renew at the same moment, the second uses what the first got."""
    clock = ManualClock()
    async with (
        FakeProGlove(clock=clock.timestamp, rotation=True) as fake,
        client_of(fake, clock=clock, store=FileTokenStore(tmp_path / "tokens")) as one,
        client_of(fake, clock=clock, store=FileTokenStore(tmp_path / "tokens")) as two,
    ):
        await one.get(DEVICES)
        await two.get(DEVICES)
        clock.advance(life)
        with fake.hold("refresh") as hold:
            calls = [asyncio.ensure_future(many(client, 5)) for client in (one, two)]
            await hold.arrived()
        assert [] == errors_in([result for results in await asyncio.gather(*calls) for result in results])
        await renewals_done()
        assert one.tokens.peek() == two.tokens.peek()
        assert (1, 1, 0) == (fake.count.logins, fake.count.refreshes, fake.count.reuse)

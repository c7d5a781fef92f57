"""Pitfalls 8 to 12 of other clients: cancelled callers."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from _pitfalls import DEVICES, PATIENCE, SlowStore, client_of, errors_in, many, renewal_tasks
from vendorauth import (
    AuthServiceUnavailable,
    Challenge,
    Credentials,
    FileTokenStore,
    PasswordCredentials,
    ProtocolError,
    RequestTimeout,
    StoreLockTimeout,
    Token,
    TokenStore,
    TransportError,
)
from vendorauth.stores import _locks
from vendorauth.stores._files import RecordFile
from vendorauth.testing import FakeProGlove, ManualClock


@pytest.mark.parametrize("ending", ["cancelled", "asyncio.wait_for", "its own timeout"])
async def test_only_caller_gives_up_while_a_token_rotates(ending: str, tmp_path: Path) -> None:
    """Pitfall 8: A rotated token is stored even when the only request that wanted it is cancelled or times out."""
    async with FakeProGlove(rotation=True) as fake:
        async with client_of(fake, store=FileTokenStore(tmp_path / "tokens")) as client:
            await client.get(DEVICES)
            fake.expire_all()
            with fake.hold("refresh") as hold:
                call = asyncio.ensure_future(client.get(DEVICES, timeout=0.5 if ending == "its own timeout" else None))
                await hold.arrived()
                if ending == "its own timeout":
                    with pytest.raises(RequestTimeout):
                        await call
                elif ending == "asyncio.wait_for":
                    with pytest.raises(TimeoutError):
                        await asyncio.wait_for(call, 0.01)
                else:
                    call.cancel()
                    with pytest.raises(asyncio.CancelledError):
                        await call
        async with client_of(fake, store=FileTokenStore(tmp_path / "tokens")) as restarted:
            await restarted.get(DEVICES)
            fake.expire_all()
            await restarted.get(DEVICES)
        assert (1, 2, 0) == (fake.count.logins, fake.count.refreshes, fake.count.reuse)


@pytest.mark.parametrize("step", ["login", "refresh"])
async def test_cancelled_callers_again_and_again(step: str) -> None:
    """Pitfall 9: Cancelling some of those who wait, the first one included, ends neither the others nor any later call."""
    async with FakeProGlove(rotation=True) as fake, client_of(fake) as client:
        for _ in range(3):
            if step == "login":
                await client.logout()
            else:
                await client.get(DEVICES)
                fake.expire_all()
            fake.count.reset()
            with fake.hold("login" if step == "login" else "refresh") as hold:
                calls = [asyncio.ensure_future(client.get(DEVICES)) for _ in range(10)]
                await hold.arrived()
                for call in calls[:3]:
                    call.cancel()
                await asyncio.wait(calls[:3])
            results = await asyncio.gather(*calls, return_exceptions=True)
            assert [asyncio.CancelledError] * 3 == [type(one) for one in errors_in(results)]
            assert 1 == fake.count.logins + fake.count.refreshes
            assert [] == errors_in(await many(client, 5))


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        ("an answer of 500", AuthServiceUnavailable),
        ("a lost connection", TransportError),
        ("an answer that is no JSON", ProtocolError),
        ("a cancelled renewal", AuthServiceUnavailable),
    ],
)
async def test_failed_renewal_is_over(failure: str, expected: type[Exception]) -> None:
    """Pitfall 10: A failed renewal is the error of those who waited for it and of its short pause; then the next call tries."""
    clock = ManualClock()
    async with FakeProGlove(clock=clock.timestamp) as fake, client_of(fake, clock=clock) as client:
        if failure == "a lost connection":
            fake.lose_next(on="login")
        elif failure == "an answer that is no JSON":
            fake.fail_next(1, 200, b"<html>", on="login")
        elif failure == "an answer of 500":
            fake.fail_next(1, 500, on="login")
        with fake.hold("login") as hold:
            calls = [asyncio.ensure_future(client.get(DEVICES)) for _ in range(5)]
            await hold.arrived()
            if failure == "a cancelled renewal":
                (task,) = renewal_tasks()
                task.cancel()
                await asyncio.wait({task})
        errors = errors_in([*await asyncio.gather(*calls, return_exceptions=True), *await many(client, 5)])
        assert {expected} == {type(one) for one in errors}
        assert 10 == len({id(one) for one in errors})
        assert 15 > max(_depth(one) for one in errors)
        assert 1 == fake.count.logins
        clock.advance(1.0)
        assert [] == errors_in(await many(client, 5))
        assert 2 == fake.count.logins


def _depth(error: BaseException) -> int:
    depth, trace = 0, error.__traceback__
    while trace is not None:
        depth, trace = depth + 1, trace.tb_next
    return depth


@pytest.mark.parametrize("cancelled", ["the caller", "the renewal", "aclose"])
async def test_thread_that_runs_on(cancelled: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pitfall 11: While a thread still writes a token, the lock stays taken, whoever is cancelled meanwhile."""
    loop, writing, go_on, save = asyncio.get_running_loop(), asyncio.Event(), threading.Event(), RecordFile.save

    def slow(self: RecordFile, *arguments: Any) -> None:
        loop.call_soon_threadsafe(writing.set)
        assert go_on.wait(PATIENCE)
        save(self, *arguments)

    monkeypatch.setattr(RecordFile, "save", slow)
    monkeypatch.setattr(_locks, "_SAVE_SECONDS", 0.01)
    async with FakeProGlove(rotation=True) as fake, asyncio.timeout(PATIENCE):
        client = client_of(fake, store=FileTokenStore(tmp_path / "tokens"))
        other = FileTokenStore(tmp_path / "tokens", lock_timeout=0)
        account = client.tokens.flow.account
        call = asyncio.ensure_future(client.get(DEVICES))
        await writing.wait()
        (renewal,) = renewal_tasks()
        closing = asyncio.ensure_future(client.aclose() if cancelled == "aclose" else asyncio.sleep(0))
        await asyncio.sleep(0)
        {"the caller": call, "the renewal": renewal, "aclose": closing}[cancelled].cancel()
        # In this time a lock that is let go too early is let go.
        await asyncio.wait({renewal}, timeout=0.1)
        with pytest.raises(StoreLockTimeout):
            await other.lock(account).__aenter__()
        go_on.set()
        await asyncio.gather(call, renewal, closing, return_exceptions=True)
        async with client, other.lock(account):
            assert 1 == fake.count.logins
            assert client.tokens.peek() in {None, await other.load(account)}
            await client.get(DEVICES)
        assert (1, 0) == (fake.count.logins, fake.count.reuse)


async def test_abandoned_iteration(tmp_path: Path) -> None:
    """Pitfall 12: A loop over pages, or a stream, that is left half-way or closed from another task blocks no renewal."""
    async with (
        FakeProGlove(rotation=True) as fake,
        client_of(fake, store=FileTokenStore(tmp_path / "tokens")) as client,
        asyncio.timeout(PATIENCE),
    ):
        fake.page_size = 1
        devices = client.devices()
        await anext(devices)
        async with client.stream("GET", DEVICES) as response:
            fake.expire_all()
            assert [] == errors_in(await many(client, 10))
            assert response.ok
        await asyncio.create_task(devices.aclose())
        left = client.devices()
        await anext(left)
        del left
        fake.expire_all()
        assert [] == errors_in(await many(client, 10))
        assert (1, 2, 0) == (fake.count.logins, fake.count.refreshes, fake.count.reuse)


@pytest.mark.parametrize("kind", ["files", "slow memory"])
async def test_no_lock_while_a_user_is_asked(kind: str, tmp_path: Path) -> None:
    """Pitfall 12: While a credentials callable or on_challenge runs, however long, the lock is free for everybody else."""
    memory, asked = SlowStore(), list[str]()

    def store() -> TokenStore:
        return memory if kind == "slow memory" else FileTokenStore(tmp_path / "tokens", lock_timeout=0)

    async def take_the_lock(name: str) -> None:
        async with asyncio.timeout(PATIENCE), store().lock(client.tokens.flow.account):
            asked.append(name)

    async with FakeProGlove() as fake:
        fake.require("SOFTWARE_TOKEN_MFA", code="123456")

        async def credentials() -> Credentials:
            await take_the_lock("credentials")
            return PasswordCredentials(fake.username, fake.password)

        async def on_challenge(challenge: Challenge) -> dict[str, str]:
            await take_the_lock("on_challenge")
            return {"SOFTWARE_TOKEN_MFA_CODE": "123456"}

        client = client_of(fake, credentials, account="jane", store=store(), on_challenge=on_challenge)
        async with client:
            assert isinstance(await client.tokens.token(), Token)
        assert ["credentials", "on_challenge"] == asked

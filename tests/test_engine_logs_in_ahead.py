"""A flow may say that its logins may be sent ahead of expiry, as a refresh is: nobody waits where there is no refresh token."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

import attrs
import pytest

from _vendor import JANE, WRONG, VendorFlow, World, settle
from vendorauth import (
    AuthServiceUnavailable,
    Challenge,
    ChallengeRequired,
    Credentials,
    Flow,
    InvalidCredentials,
    LoginRefused,
    ReauthenticationRequired,
    RefreshTokenCredentials,
    RenewalFailed,
    Renewed,
    Token,
    TokenSource,
)

LATE = 3600 * 0.92


class MachineFlow(VendorFlow):
    """Be given to a machine."""

    logs_in_ahead = True

    def login(self, credentials: Credentials, *, now: datetime) -> Flow[Token | Challenge]:
        """Give no refresh token, not even the configured one."""
        result = yield from super().login(credentials, now=now)
        return attrs.evolve(result, refresh_token=None) if isinstance(result, Token) else result


class OtherFlow:
    """Inherit nothing; only what is used here is there."""

    account = "jane@vendor"
    base_url = VendorFlow().base_url
    logs_in_ahead = True
    login = VendorFlow.login
    refresh = VendorFlow.refresh
    _renew = VendorFlow._renew
    _outcome = VendorFlow._outcome


def machine(world: World, credentials: Any = JANE, flow: Any = None) -> TokenSource:
    """Make a source whose logins may be sent ahead, of a vendor without refresh tokens."""
    world.vendor.gives_refresh_token = False
    return TokenSource(
        MachineFlow() if flow is None else flow,
        credentials,
        store=world.store,
        send=world.vendor.send,
        clock=world.clock,
        on_event=world.events.append,
    )


async def late(world: World, source: TokenSource) -> Token:
    """Log in, and let the time of a renewal ahead of expiry come."""
    first = await source.token()
    world.clock.advance(LATE)
    return first


@pytest.mark.parametrize("flow", [MachineFlow(), OtherFlow()])
async def test_nobody_waits_for_a_login(flow: Any) -> None:
    """The old token serves while one login is under way in the background (rule 7)."""
    world = World()
    async with machine(world, flow=flow) as source:
        first = await late(world, source)
        gate = world.vendor.gate("login")
        assert [first] * 50 == await asyncio.gather(*(source.token() for _ in range(50)))
        await gate.arrived.wait()
        assert first == await source.token()
        gate.open()
        await settle()
        assert "token-2" == (await source.token()).value
        assert 2 == world.vendor.count["login"]
        assert [False, True] == [event.ahead for event in world.told(Renewed)]


async def test_other_flows_send_no_password_ahead() -> None:
    """The default: callers wait when there is no refresh token, and the password goes out then (rule 7)."""
    world = World()
    async with machine(world, flow=VendorFlow()) as source:
        first = await late(world, source)
        for _ in range(5):
            assert first == await source.token()
            await settle()
        assert 1 == world.vendor.count["login"]
        world.clock.advance(0.2 * 3600)
        assert "token-2" == (await source.token()).value


async def test_a_refused_secret_is_sent_once() -> None:
    """The old token serves to its end; nothing is sent again meanwhile, nor after it for a while (rule 10)."""
    world = World()
    async with machine(world) as source:
        first = await late(world, source)
        world.vendor.passwords.clear()
        assert first == await source.token()
        async with asyncio.timeout(10):
            while not world.told(LoginRefused):  # its record takes a thread some time
                await asyncio.sleep(0.001)
        for _ in range(5):
            assert first == await source.token()
            await settle()
            world.clock.advance(20)
        assert 1 == len(world.told(RenewalFailed))
        world.clock.advance(190)
        with pytest.raises(InvalidCredentials, match="not sent again for"):
            await source.token()
        assert (2, 1) == (world.vendor.count["login"], len(world.told(LoginRefused)))


@pytest.mark.parametrize("by_a_sibling", [False, True])
async def test_after_a_refused_secret_was_put_right(by_a_sibling: bool) -> None:
    """The token that then comes, from the vendor or by a sibling, is renewed ahead as any other is: nobody waits (rule 7)."""
    world = World()
    async with machine(world) as source, machine(world, RefreshTokenCredentials("other")) as sibling:
        world.vendor.passwords.clear()
        with pytest.raises(InvalidCredentials):
            await source.token()
        world.vendor.passwords.add(JANE.password)
        world.vendor.refresh_tokens.add("other")
        await (sibling if by_a_sibling else source).login()
        first = await late(world, source)
        assert first == await source.token()
        await settle()
        second = await source.token()
        assert first.generation < second.generation
        assert [True] == [event.ahead for event in world.told(Renewed)[-1:]]


async def test_trouble_pauses() -> None:
    """While the vendor is down the old token serves, and tries come in growing pauses (rule 9)."""
    world = World()
    async with machine(world) as source:
        first = await late(world, source)
        trouble = AuthServiceUnavailable("down")
        world.vendor.script["login"] += [trouble, trouble]
        for tries in (2, 3, 4):
            for _ in range(3):
                assert first == await source.token()
            await settle()
            assert tries == world.vendor.count["login"]
            if tries < 4:
                for _ in range(3):
                    assert first == await source.token()
                    await settle()
                assert tries == world.vendor.count["login"]
            world.clock.advance(5)
        assert [True, True] == [event.ahead for event in world.told(RenewalFailed)]
        assert "token-2" == (await source.token()).value


async def test_a_callable_is_asked() -> None:
    """Outside every lock, as for any login (rule 5)."""
    world, asked = World(), list[str]()

    async def secret_manager() -> Any:
        asked.append("asked")
        return JANE

    async with machine(world, secret_manager) as source:
        first = await late(world, source)
        assert first == await source.token()
        await settle()
        assert "token-2" == (await source.token()).value
        assert 2 == len(asked)


async def test_an_api_key() -> None:
    """What is a refresh token to the engine, and in no token, is exchanged ahead; refused, the old token serves on."""
    world = World()
    async with machine(world, RefreshTokenCredentials("configured")) as source:
        first = await late(world, source)
        assert first == await source.token()
        await settle()
        second = await source.token()
        assert ("token-2", None, {}) == (second.value, second.refresh_token, second.details)
        world.vendor.refresh_tokens.clear()
        world.clock.advance(LATE)
        assert second == await source.token()
        await settle()
        assert second == await source.token()
        world.clock.advance(3600)
        with pytest.raises(ReauthenticationRequired):
            await source.token()


async def test_nothing_to_log_in_with() -> None:
    """Without credentials there is nothing to send; the old token serves to its end."""
    world = World()
    async with machine(world) as source:
        first = await source.token()
    async with machine(world, None) as source:
        assert first.value == (await source.token()).value
        world.clock.advance(LATE)
        for _ in range(3):
            assert first.value == (await source.token()).value
            await settle()
        assert [] == world.told(RenewalFailed)


async def test_a_question_is_asked_once() -> None:
    """A challenge in answer to such a login waits for who needs a token; the old one serves (rule 10a)."""
    world = World()
    async with machine(world) as source:
        first = await late(world, source)
        world.vendor.asks = "SMS_MFA"
        for _ in range(4):
            assert first == await source.token()
            await settle()
        assert 2 == world.vendor.count["login"]
        with pytest.raises(ChallengeRequired) as caught:
            await source.renew(first)
        assert 2 == world.vendor.count["login"]
        world.vendor.asks = ""
        assert "token-2" == (await source.answer(caught.value.challenge, {"CODE": "123456"})).value


async def test_a_wrong_secret_at_the_start() -> None:
    """It is refused as ever."""
    world = World()
    async with machine(world, WRONG) as source:
        for _ in range(3):
            with pytest.raises(InvalidCredentials):
                await source.token()
    assert 1 == world.vendor.count["login"]

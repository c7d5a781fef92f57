"""ProGlove INSIGHT through the shipped fake, on real loopback servers."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from vendorauth import (
    AuthServiceUnavailable,
    ChallengeRequired,
    ConfigurationError,
    FileTokenStore,
    InvalidCredentials,
    MemoryTokenStore,
    PasswordCredentials,
    PermissionDenied,
    ProGloveClient,
    ProtocolError,
    ReauthenticationRequired,
    RefreshPolicy,
    RefreshTokenCredentials,
    TokenStore,
)
from vendorauth.proglove import ScanEvent, TelemetryEvent
from vendorauth.testing import FakeProGlove, ManualClock

DEVICES = "/{customer_id}/devices"


def client_of(fake: FakeProGlove, credentials: object = None, **options: object) -> ProGloveClient:
    credentials = credentials or PasswordCredentials(fake.username, fake.password)
    given = {"cognito_url": fake.cognito_url, **options}
    return ProGloveClient(fake.base_url, fake.customer_id, credentials, **given)  # type: ignore[arg-type]  # a test's


async def many(client: ProGloveClient, count: int) -> list[object]:
    return await asyncio.gather(*(client.get(DEVICES) for _ in range(count)), return_exceptions=True)


async def test_two_hundred_cold_callers_make_one_login() -> None:
    """Rule 2, end to end: one auth-information, one login, two hundred answers."""
    async with FakeProGlove() as fake, client_of(fake) as client:
        answers = await many(client, 200)
        assert not [one for one in answers if isinstance(one, Exception)]
        assert (1, 1, 0, 200) == (
            fake.count.auth_information,
            fake.count.logins,
            fake.count.refreshes,
            fake.count.api,
        )


@pytest.mark.parametrize("status", [401, 403])
async def test_fifty_callers_after_a_servers_expiry_make_one_refresh(status: int) -> None:
    """Rule 12: right after a login, the vendor forgets its tokens; it says so with 401 or with 403."""
    async with FakeProGlove() as fake, client_of(fake) as client:
        fake.refusal_status = status  # type: ignore[assignment]  # one of the two
        await client.get(DEVICES)
        fake.expire_all()
        answers = await many(client, 50)
        assert not [one for one in answers if isinstance(one, Exception)]
        assert (1, 1, 50) == (fake.count.logins, fake.count.refreshes, fake.count.refused)


@pytest.mark.parametrize("cancelled", [[0], [2, 7], list(range(10))])
async def test_cancelling_callers_while_a_spent_refresh_token_is_exchanged(cancelled: list[int]) -> None:
    """Rule 3: the server spends it when it reads it; nobody else fails, and the token family lives."""
    async with FakeProGlove(rotation=True) as fake, client_of(fake, refresh_with="get-tokens") as client:
        await client.get(DEVICES)
        fake.expire_all()
        with fake.hold("refresh") as hold:
            calls = [asyncio.ensure_future(client.get(DEVICES)) for _ in range(10)]
            await hold.arrived()
            for index in cancelled:
                calls[index].cancel()
            await asyncio.sleep(0)
            hold.release()
            results = await asyncio.gather(*calls, return_exceptions=True)
        failed = [index for index, one in enumerate(results) if isinstance(one, BaseException)]
        assert cancelled == failed
        fake.expire_all()
        await client.get(DEVICES)
        assert (1, 0, 1) == (fake.count.logins, fake.count.reuse, fake.refreshable_logins)


async def test_lost_answer_of_a_rotating_refresh_within_the_grace() -> None:
    """Rule 9a: sent again at once, the same login goes on: no second family."""
    async with FakeProGlove(rotation=True) as fake, client_of(fake, refresh_with="get-tokens") as client:
        fake.grace = 10.0
        await client.get(DEVICES)
        fake.expire_all()
        fake.lose_next(on="refresh")
        await client.get(DEVICES)
        assert (1, 2, 0, 1) == (fake.count.logins, fake.count.refreshes, fake.count.reuse, fake.refreshable_logins)


async def test_lost_answer_of_a_rotating_refresh_without_a_grace() -> None:
    """Rules 9a, 8: the one use of a spent refresh token that is allowed, then the password: no dead end."""
    async with FakeProGlove(rotation=True) as fake, client_of(fake, refresh_with="get-tokens") as client:
        await client.get(DEVICES)
        fake.expire_all()
        fake.lose_next(on="refresh")
        await client.get(DEVICES)
        assert (2, 2, 1) == (fake.count.logins, fake.count.refreshes, fake.count.reuse)


async def test_failing_login_is_shared_by_fifty_callers() -> None:
    """Rule 9: one try, fifty errors of the same kind."""
    async with FakeProGlove() as fake, client_of(fake) as client:
        fake.fail_next(9, 500, on="login")
        answers = await many(client, 50)
        assert {AuthServiceUnavailable} == {type(one) for one in answers}
        assert 1 == fake.count.logins


async def test_refresh_ahead_blocks_nobody() -> None:
    """Rule 7: the old token serves while the new one is fetched; a failure hurts nobody."""
    clock = ManualClock()
    async with FakeProGlove(clock=clock.timestamp) as fake, client_of(fake, clock=clock) as client:
        await client.get(DEVICES)
        clock.advance(3300)
        fake.fail_next(1, 500, on="refresh")
        assert not [one for one in await many(client, 10) if isinstance(one, Exception)]
        while not client.tokens.status().failures:
            await asyncio.sleep(0)
        clock.advance(2)
        with fake.hold("refresh") as hold:
            assert not [one for one in await many(client, 10) if isinstance(one, Exception)]
            await hold.arrived()
            await client.get(DEVICES)
        assert (1, 2, 0) == (fake.count.logins, fake.count.refreshes, fake.count.refused)


async def test_tokens_of_three_seconds_and_a_moving_clock() -> None:
    """Rules 7, 11: hours of calls with tokens that live three seconds, and no call is refused."""
    clock = ManualClock()
    async with FakeProGlove(clock=clock.timestamp, token_life=3.0) as fake, client_of(fake, clock=clock) as client:
        for _ in range(60):
            await client.get(DEVICES)
            clock.advance(0.5)
        assert 0 == fake.count.refused
        assert 1 == fake.count.logins
        assert 8 <= fake.count.refreshes <= 16


async def test_restart_from_the_file_store_needs_no_login(tmp_path: Path) -> None:
    """Rule 5: a new process uses what is stored, and refreshes without asking for the auth-information again."""
    store = FileTokenStore(tmp_path / "tokens")
    clock = ManualClock()
    async with FakeProGlove(clock=clock.timestamp) as fake:
        async with client_of(fake, store=store, clock=clock) as client:
            await client.get(DEVICES)
        clock.advance(7200)
        async with client_of(fake, store=FileTokenStore(tmp_path / "tokens"), clock=clock) as client:
            await client.get(DEVICES)
        assert (1, 1, 1) == (fake.count.logins, fake.count.refreshes, fake.count.auth_information)


async def test_wrong_password_is_one_login_and_a_true_error() -> None:
    """Rule 10: later calls raise at once, and the vendor hears nothing of them."""
    async with FakeProGlove() as fake, client_of(fake, PasswordCredentials("jane@example.com", "wrong")) as client:
        errors = [one for one in await many(client, 5) if isinstance(one, InvalidCredentials)]
        with pytest.raises(InvalidCredentials):
            await client.get(DEVICES)
        assert ["NotAuthorizedException"] * 5 == [error.code for error in errors]
        assert errors[0].request_id
        assert 1 == fake.count.password_attempts


async def test_permission_denied_is_told_from_a_dead_token() -> None:
    """Rule 12: one renewal for a storm of refusals that no token helps with."""
    async with FakeProGlove() as fake, client_of(fake) as client:
        fake.permitted = False
        answers = await many(client, 20)
        assert {PermissionDenied} == {type(one) for one in answers}
        await many(client, 20)
        assert (1, 1) == (fake.count.logins, fake.count.refreshes)
        fake.permitted = True
        await client.get(DEVICES)


async def test_service_with_a_refresh_token() -> None:
    """A refresh token as the only credential: no password is ever sent; dead, it is told so."""
    async with FakeProGlove() as fake:
        async with client_of(fake) as person:
            token = await person.tokens.token()
        assert token.refresh_token is not None
        service = client_of(fake, RefreshTokenCredentials(token.refresh_token), account="service")
        async with service:
            await service.get(DEVICES)
            fake.expire_all()
            await service.get(DEVICES)
            assert 1 == fake.count.password_attempts
            fake.revoke_all()
            with pytest.raises(ReauthenticationRequired):
                await service.get(DEVICES)


async def test_logout_revokes() -> None:
    """Rule 14: the vendor is told, and the next call logs in."""
    async with FakeProGlove() as fake, client_of(fake) as client:
        await client.get(DEVICES)
        await client.logout()
        assert (1, 0) == (fake.count.revocations, fake.refreshable_logins)
        await client.get(DEVICES)
        assert 2 == fake.count.logins


async def test_mfa_by_hand_and_by_hook() -> None:
    """Rule 10a: a challenge is raised and answered; or on_challenge answers it for everybody."""
    async with FakeProGlove() as fake:
        fake.require("SOFTWARE_TOKEN_MFA", code="123456")
        async with client_of(fake) as client:
            with pytest.raises(ChallengeRequired) as caught:
                await client.get(DEVICES)
            challenge = type(caught.value.challenge).from_json(caught.value.challenge.to_json())
            await client.tokens.answer(challenge, {"SOFTWARE_TOKEN_MFA_CODE": "123456"})
            await client.get(DEVICES)

        async def on_challenge(_: object) -> dict[str, str]:
            return {"SOFTWARE_TOKEN_MFA_CODE": "123456"}

        async with client_of(fake, on_challenge=on_challenge) as client:
            assert not [one for one in await many(client, 20) if isinstance(one, Exception)]
        assert 2 == fake.count.challenges_answered


async def test_access_token_and_scheme_are_selectable() -> None:
    """The vendor's pages contradict each other: token kind and scheme are options."""
    async with FakeProGlove() as fake:
        fake.accepts, fake.scheme = "access", "Bearer"
        async with client_of(fake, token_kind="access", authorization_scheme="Bearer") as client:
            await client.get(DEVICES)
            assert "access" == client.tokens.flow.account.rpartition("|")[2]


async def test_unknown_client_id_asks_for_the_auth_information_again() -> None:
    """ProGlove, Authentication: a pool that moved is found by asking anew."""
    async with FakeProGlove() as fake, client_of(fake) as client:
        await client.get(DEVICES)
        fake.client_id = "moved"
        fake.expire_all()
        await client.get(DEVICES)
        assert (1, 2) == (fake.count.logins, fake.count.auth_information)


async def test_devices_over_all_pages() -> None:
    """All pages, typed; unknown fields in extra; only next_token is taken from a link, wherever it leads."""
    for style in ("documented", "path", "absolute"):
        for last in ("null", "empty", "missing", "no-links"):
            async with FakeProGlove() as fake, client_of(fake) as client:
                fake.page_size, fake.link_style, fake.last_link = 1, style, last
                fake.devices[0]["new_field"] = 5
                found = [device async for device in client.devices()]
                assert [device["id"] for device in fake.devices] == [device.id for device in found]
                assert {"new_field": 5}.items() <= dict(found[0].extra).items()
                assert {f"/latest/{fake.customer_id}/devices"} == {
                    one.path for one in fake.requests if one.kind == "api"
                }


async def test_events_keep_their_parameters_on_every_page() -> None:
    """The time window goes along with every page; events are typed by their type."""
    async with FakeProGlove() as fake, client_of(fake) as client:
        fake.page_size = 1
        now = datetime.now(UTC).replace(microsecond=0)
        start, end = now - timedelta(days=365 * 20), now + timedelta(days=1)
        found = [event async for event in client.events(start=start, end=end)]
        asked = [one.params for one in fake.requests if one.kind == "api"]
        assert len(fake.events) == len(found) == len(asked)
        assert {str(int(start.timestamp() * 1000))} == {one["start_time_millis"] for one in asked}
        assert {str(int(end.timestamp() * 1000))} == {one["end_time_millis"] for one in asked}
        assert {ScanEvent, TelemetryEvent} <= {type(event) for event in found}
        fake.requests.clear()
        _ = [event async for event in client.events()]
        assert not [one for one in fake.requests if "start_time_millis" in one.params]


async def test_naive_times_are_refused() -> None:
    """A time without a zone is a guess, and no guess is made."""
    async with FakeProGlove() as fake, client_of(fake) as client:
        with pytest.raises(ConfigurationError, match="start must be an aware datetime"):
            _ = [event async for event in client.events(start=datetime(2026, 1, 1))]  # noqa: DTZ001  that is the point


async def test_page_that_is_no_page() -> None:
    """What is not as documented names where."""
    async with FakeProGlove() as fake, client_of(fake) as client:
        fake.amend("api", lambda page: {**page, "items": [{"id": 5}]})
        with pytest.raises(ProtocolError, match=r"\$.id"):
            _ = [device async for device in client.devices()]


def test_wrong_arguments() -> None:
    """What can't be right is refused when the client is made."""
    jane = PasswordCredentials("jane", "s3cret")
    with pytest.raises(ConfigurationError, match="https"):
        ProGloveClient("http://example.com/latest", "demo", jane)
    with pytest.raises(ConfigurationError, match="Cognito URL"):
        ProGloveClient("https://example.com/latest", "demo", jane, cognito_url="http://example.com/")
    for customer_id in ("", " ", None, 5):
        with pytest.raises(ConfigurationError, match="customer_id"):
            ProGloveClient("https://example.com/latest", customer_id, jane)  # type: ignore[arg-type]  # that is the point
    with pytest.raises(ConfigurationError, match="account must be given"):
        ProGloveClient("https://example.com/latest", "demo", RefreshTokenCredentials("r"))
    with pytest.warns(UserWarning, match="plain http"):
        ProGloveClient("http://example.com/latest", "demo", jane, allow_http=True)


async def test_customer_id_is_replaced_literally() -> None:
    """It is percent-encoded, and braces in a path mean nothing else."""
    async with FakeProGlove() as fake, client_of(fake) as client:
        answer = await client.get("/{customer_id}/echo", params={"a": "{customer_id}"})
        assert f"/latest/{fake.customer_id}/echo" == answer["path"]
    odd = ProGloveClient("https://example.com/latest/", "a/b c", PasswordCredentials("jane", "s3cret"))
    assert "https://example.com/latest/a%2Fb%20c/%7Bx%7D" == str(odd._url("/{customer_id}/{x}"))


async def test_from_env(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment has all that a service needs; what is missing is named."""
    async with FakeProGlove() as fake:
        for name, value in {
            "BASE_URL": fake.base_url,
            "COGNITO_URL": fake.cognito_url,
            "CUSTOMER_ID": fake.customer_id,
            "USERNAME": fake.username,
            "PASSWORD": fake.password,
        }.items():
            monkeypatch.setenv(f"PROGLOVE_{name}", value)
        async with ProGloveClient.from_env(retries=0) as client:
            await client.get(DEVICES)
            refresh_token = (await client.tokens.token()).refresh_token
        assert refresh_token is not None
        monkeypatch.delenv("PROGLOVE_PASSWORD")
        with pytest.raises(ConfigurationError, match="PROGLOVE_PASSWORD is not set"):
            ProGloveClient.from_env()
        monkeypatch.delenv("PROGLOVE_USERNAME")
        with pytest.raises(ConfigurationError, match="PROGLOVE_USERNAME is not set"):
            ProGloveClient.from_env()
        monkeypatch.setenv("PROGLOVE_REFRESH_TOKEN", refresh_token)
        monkeypatch.setenv("PROGLOVE_ACCOUNT", "service")
        async with ProGloveClient.from_env(account="mine") as client:
            await client.get(DEVICES)
            assert "mine" == client.tokens.flow.account


async def test_shared_store_of_two_clients(tmp_path: Path) -> None:
    """Two clients of one account in one process, each with its own file store object, make one login."""
    async with FakeProGlove() as fake:
        stores: list[TokenStore] = [FileTokenStore(tmp_path / "tokens"), FileTokenStore(tmp_path / "tokens")]
        first, second = (client_of(fake, store=store) for store in stores)
        async with first, second:
            await asyncio.gather(first.get(DEVICES), second.get(DEVICES))
        assert 1 == fake.count.logins


async def test_renewal_in_flight_survives_a_close() -> None:
    """Rule 14: closing while a rotating refresh is under way saves its token."""
    store = MemoryTokenStore()
    async with FakeProGlove(rotation=True) as fake:
        client = client_of(fake, refresh_with="get-tokens", store=store)
        async with client:
            await client.get(DEVICES)
            fake.expire_all()
            with fake.hold("refresh") as hold:
                call = asyncio.ensure_future(client.get(DEVICES))
                await hold.arrived()
                closing = asyncio.ensure_future(client.aclose())
                await asyncio.sleep(0)
                hold.release()
                await closing
            await asyncio.wait({call})
        async with client_of(fake, refresh_with="get-tokens", store=store) as later:
            await later.get(DEVICES)
        assert (1, 0) == (fake.count.logins, fake.count.reuse)


async def test_policy_reaches_the_engine() -> None:
    """Options of the client are the engine's."""
    async with FakeProGlove() as fake, client_of(fake, policy=RefreshPolicy(deadline=0.05)) as client:
        fake.delay = 5.0
        with pytest.raises(Exception, match=r"gave no answer within 0\.05 s"):
            await client.get(DEVICES)
        fake.heal()

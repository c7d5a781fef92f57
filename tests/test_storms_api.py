"""An API that refuses tokens for no good reason brings few renewals, and hurts nobody else (DESIGN, rule 12)."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from _storms import BY_TURNS, FUTILE, MANY, REFUSED, ApiOfStorm, PermissionFlow, Storm, cheap_hash, crowd
from vendorauth import (
    AuthError,
    PasswordCredentials,
    ProGloveClient,
    ProtogridClient,
    RefreshPolicy,
    TokenSource,
)
from vendorauth.testing import FakeProGlove, FakeProtogrid, ManualClock

__all__ = ["cheap_hash"]

pytestmark = pytest.mark.usefixtures("cheap_hash")


@pytest.fixture
def storm() -> Storm:
    return Storm()


def source_of(storm: Storm, **options: Any) -> TokenSource:
    given = {"store": storm.store, "send": storm.vendor.send, "clock": storm.clock, **options}
    return TokenSource(PermissionFlow(), PasswordCredentials("jane", "s3cret"), **given)


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("gives", [True, False])
@pytest.mark.parametrize(("callers", "tick", "hours"), [(1, 5.0, 1.5), (50, 120.0, 1.0)])
async def test_every_token_is_refused(
    storm: Storm, status: int, gives: bool, callers: int, tick: float, hours: float
) -> None:
    """Rule 12: at most 61 renewals in any hour, whether by refresh or by login, for 1 and for 50 callers."""
    storm.vendor.gives_refresh_token = gives
    api = ApiOfStorm(storm, source_of(storm), lambda *_: status)
    got = await storm.hours(hours, tick, callers, lambda: api.get("/x"))
    assert {"Unauthorized" if status == 401 else "PermissionDenied"} == got.keys()
    assert FUTILE >= storm.ledger.busiest_hour() >= 20


async def test_ten_thousand_callers_at_once(storm: Storm) -> None:
    """Rule 12: 10,000 refused calls bring one renewal, and those that come a second later none."""
    api = ApiOfStorm(storm, source_of(storm), lambda *_: 403)
    for callers in (MANY, 100):
        assert {"PermissionDenied": callers} == await crowd(callers, lambda: api.get("/x"))
        storm.clock.advance(1)
    assert (1, 1) == (len(storm.ledger.of("login")), len(storm.ledger.of("refresh")))


def by_path(path: str, _: Mapping[str, str]) -> int:
    return {"/forbidden": 403, "/unknown": 404, "/odd": 401}.get(path, 200)


async def test_users_with_permission_are_not_hurt(storm: Storm) -> None:
    """Rule 12: storms of 403 and of 401 on some paths bring 61 renewals an hour each; other paths never fail."""
    api = ApiOfStorm(storm, source_of(storm), by_path)
    for _ in range(360):
        for path in ("/fine", "/forbidden", "/odd", "/unknown"):
            assert by_path(path, {}) == await api.status(path)
        assert {"int": 5} == await crowd(5, lambda: api.get("/fine"))
        storm.clock.advance(10)
    assert 2 * FUTILE >= storm.ledger.busiest_hour() >= 100
    assert 1 == len(storm.ledger.of("login"))


async def test_revoked_token_in_a_permission_storm(storm: Storm) -> None:
    """Rule 12: where 403 also means a token that is no more, a storm of 403 delays its renewal by 60 s at most."""
    revoked: set[str] = set()

    def answer(path: str, headers: Mapping[str, str]) -> int:
        return 403 if headers["Authorization"] in revoked or path == "/forbidden" else 200

    source = source_of(storm)
    api = ApiOfStorm(storm, source, answer)
    await api.status("/forbidden")
    token = source.peek()
    assert token is not None
    revoked.add(token.value)
    assert 403 == await api.status("/fine")
    storm.clock.advance(60)
    assert 200 == await api.status("/fine")


@pytest.mark.parametrize("answers", [[401, 200], [403, 200], [401, 403], [403, 401], [401, 401, 200], [401, 403, 200]])
@pytest.mark.parametrize("gives", [True, False])
async def test_api_that_refuses_by_turns(storm: Storm, answers: list[int], *, gives: bool) -> None:
    """Rule 12: refused, replayed with success, refused again, several times a second: 1830 renewals in any hour."""
    storm.vendor.gives_refresh_token = gives
    sent = 0

    def by_turns(*_: object) -> int:
        nonlocal sent
        sent += 1
        return answers[sent % len(answers)]

    api = ApiOfStorm(storm, source_of(storm), by_turns)
    for _ in range(30):
        for _ in range(40):
            await api.status("/x")
        storm.clock.advance(15)
    assert BY_TURNS / 8 + 30 >= len(storm.ledger.of()) >= 8


async def test_thirty_real_ends_of_a_session_in_a_minute(storm: Storm) -> None:
    """Rule 12: sessions that end every 2 s unannounced are renewed each time; nobody notices."""
    storm.vendor.life = None
    living = ""
    source = source_of(storm)

    def answer(_: str, headers: Mapping[str, str]) -> int:
        return 200 if headers["Authorization"] == living else 401

    api = ApiOfStorm(storm, source, answer)
    await source.token()
    for number in range(90):
        # The newest token is the living one from now on.
        living = f"token-{number + 2}"
        assert {"int": 5} == await crowd(5, lambda: api.get("/x"))
        storm.clock.advance(2)
    assert 91 == storm.vendor.count["issued"]


async def test_dead_tokens_that_the_api_refuses(storm: Storm) -> None:
    """Rules 7, 9, 12: dead when they come and refused as well, with 20 callers: at most 1830 renewals in any hour."""
    storm.vendor.life = -60.0
    api = ApiOfStorm(storm, source_of(storm), lambda *_: 401)
    await storm.hours(0.25, 15, 20, lambda: api.status("/x"))
    assert BY_TURNS / 4 + 30 >= len(storm.ledger.of())


async def test_no_pause_where_none_is_wanted(storm: Storm) -> None:
    """`futile_pause` = 0: who wants every refusal answered by a renewal gets that."""
    source = source_of(storm, policy=RefreshPolicy(futile_pause=0))
    api = ApiOfStorm(storm, source, lambda *_: 401)
    for _ in range(50):
        assert 401 == await api.status("/x")
    assert 50 == len(storm.ledger.of("refresh"))


@settings(max_examples=25)
@given(
    paths=st.dictionaries(
        st.sampled_from(["/a", "/b", "/c"]),
        st.lists(st.sampled_from([200, 401, 403, 404, 500]), min_size=1, max_size=5),
        min_size=1,
    ),
    lives=st.sampled_from([None, 3600.0, 30.0]),
    tick=st.sampled_from([0.5, 7.0, 45.0]),
)
async def test_any_api(paths: dict[str, list[int]], lives: float | None, tick: float) -> None:
    """Rule 12: whatever each path answers in turn, the bound holds, and a path that only answers 200 never fails."""
    storm = Storm()
    storm.vendor.life = lives
    turn = dict.fromkeys(paths, 0)

    def answer(path: str, _: Mapping[str, str]) -> int:
        turn[path] += 1
        return paths[path][turn[path] % len(paths[path])]

    api = ApiOfStorm(storm, source_of(storm), answer)
    for _ in range(60):
        for path, answers in paths.items():
            status = await api.status(path)
            assert status in answers
        storm.clock.advance(tick)
    minutes = 60 * tick / 60
    by_age = 0 if lives is None else 60 * tick / (lives * 0.8) + 1
    assert 30 * (minutes + 1) + by_age + 1 >= len(storm.ledger.of())


async def test_permission_storm_against_the_fake() -> None:
    """Rule 12, over the wire: 403 for a permission: one login, one refresh, for 200 calls; others are served."""
    async with FakeProGlove() as fake:
        credentials = PasswordCredentials(fake.username, fake.password)
        async with ProGloveClient(fake.base_url, fake.customer_id, credentials, cognito_url=fake.cognito_url) as client:
            fake.permitted = False
            got = await crowd(200, lambda: client.get("/{customer_id}/features"))
            assert {"PermissionDenied": 200} == got
            fake.permitted = True
            assert {"dict": 20} == await crowd(20, lambda: client.get("/{customer_id}/features"))
        assert (1, 1) == (fake.count.logins, fake.count.refreshes)


def clients(proglove: FakeProGlove, protogrid: FakeProtogrid, clock: ManualClock, password: str) -> list[Any]:
    """Make a client for every scheme that logs in."""
    jane = PasswordCredentials(proglove.username, password)
    cognito_url = proglove.cognito_url
    return [
        ProGloveClient(proglove.base_url, proglove.customer_id, jane, cognito_url=cognito_url, clock=clock),
        ProtogridClient(protogrid.base_url, PasswordCredentials(protogrid.username, password), clock=clock),
    ]


async def test_wrong_password_against_the_fakes() -> None:
    """Rule 10, over the wire: 100 callers at 0, 1, 2, ... 60 minutes: four times the password, for both vendors."""
    clock = ManualClock()
    async with FakeProGlove() as proglove, FakeProtogrid() as protogrid:
        for client in clients(proglove, protogrid, clock, "wr0ng"):
            async with client:
                for minute in range(60):
                    got = await crowd(1 if minute else 100, lambda: client.get("/x"))  # noqa: B023  it runs at once
                    assert {"InvalidCredentials"} == got.keys()
                    clock.advance(60)
        assert (REFUSED, REFUSED) == (proglove.count.password_attempts, protogrid.count.password_attempts)


async def test_definite_answers_of_the_fakes() -> None:
    """Rule 10, over the wire: a firewall's or an unknown refusal of a login: the password goes out once in 4 minutes."""
    clock = ManualClock()
    async with FakeProGlove() as proglove, FakeProtogrid() as protogrid:
        proglove.fail_next(100, 400, b'{"__type": "SomethingNewException"}', on="login")
        protogrid.fail_next(100, 200, b'{"errors": [{"code": 423, "message": ""}], "result": {}}', on="login")
        for client in clients(proglove, protogrid, clock, "s3cret"):
            async with client:
                for _ in range(5):
                    assert {"AuthError": 20} == await crowd(20, lambda: client.get("/x"))  # noqa: B023  likewise
                    clock.advance(59)
        assert (1, 1) == (proglove.count.password_attempts, protogrid.count.password_attempts)


async def test_trouble_before_the_password_is_not_the_passwords() -> None:
    """Rules 9, 10: a gateway that has no auth-information for a moment (404) costs a second, not five minutes."""
    clock = ManualClock()
    async with FakeProGlove(clock=clock.timestamp) as fake:
        fake.fail_next(status=404, on="auth-information")
        async with ProGloveClient(
            fake.base_url,
            fake.customer_id,
            PasswordCredentials(fake.username, fake.password),
            cognito_url=fake.cognito_url,
            clock=clock,
        ) as client:
            with pytest.raises(AuthError, match="GET /latest/auth-information: 404"):
                await client.tokens.token()
            clock.advance(1.1)
            assert (await client.tokens.token()).value
    assert 1 == fake.count.logins

"""A password that is refused is sent four times in an hour at most, whoever asks and however often (DESIGN, rule 10)."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from _keeping import Store
from _renewals import ACCOUNT, BrokenStore
from _stores import WrappedStore
from _storms import HOUR, MANY, REFUSED, Sharing, Storm, cheap_hash, crowd, wrong_again
from _vendor import JANE, WRONG
from vendorauth import (
    AuthError,
    Challenge,
    Credentials,
    FileTokenStore,
    LoginRefused,
    TokenSource,
)

__all__ = ["cheap_hash"]

pytestmark = pytest.mark.usefixtures("cheap_hash")

CROWDS = [(1, 60.0, 24.0), (100, 300.0, 4.0), (MANY, 2400.0, 1.3)]
"""How many call at once, every so many seconds, for so many hours."""


@pytest.fixture
def storm() -> Storm:
    return Storm()


@pytest.mark.parametrize(("callers", "tick", "hours"), CROWDS)
async def test_wrong_password_from_the_start(storm: Storm, callers: int, tick: float, hours: float) -> None:
    """Rule 10: at most 4 logins in any hour, one an hour later on, and nothing else is asked: 1, 100, 10,000 callers."""
    got = await storm.hours(hours, tick, callers, storm.source(WRONG).token)
    assert {"InvalidCredentials"} == got.keys()
    assert REFUSED >= storm.ledger.busiest_hour() >= 1
    assert {"login"} == storm.ledger.times.keys()
    assert hours + 3 >= len(storm.ledger.of())


@pytest.mark.parametrize(("callers", "tick", "hours"), CROWDS[:2])
async def test_password_that_has_worked(storm: Storm, callers: int, tick: float, hours: float) -> None:
    """Rules 8, 10: password changed and refresh token revoked: one refresh, then at most 4 logins in any hour."""
    source = storm.source()
    await source.token()
    storm.vendor.passwords.clear()
    storm.vendor.refresh_tokens.clear()
    storm.clock.advance(HOUR + 1)
    got = await storm.hours(hours, tick, callers, source.token)
    assert {"InvalidCredentials"} == got.keys()
    assert 1 == len(storm.ledger.of("refresh"))
    assert REFUSED >= storm.ledger.busiest_hour("login") >= 1


async def test_first_refusal_is_over_after_five_minutes(storm: Storm) -> None:
    """Rule 10: a password that is accepted again serves at the end of the pause: 300 s after the first refusal."""
    source = storm.source()
    storm.vendor.passwords.clear()
    await storm.hours(0.05, 10, 100, source.token)
    storm.vendor.passwords.add(JANE.password)
    got = await storm.hours(0.05, 10, 100, source.token)
    assert {"InvalidCredentials": 1200, "Token": 600} == got
    assert [0.0, 300.0] == [time - 1000.0 for time in storm.ledger.of("login")]


async def test_any_refusal_is_over_after_an_hour(storm: Storm) -> None:
    """Rule 10: however long a password was refused, it serves within 3600 s of the last refusal."""
    source = storm.source()
    storm.vendor.passwords.clear()
    await storm.hours(24, 60, 1, source.token)
    storm.vendor.passwords.add(JANE.password)
    got = await storm.hours(1, 60, 1, source.token)
    assert "Token" in got


@pytest.mark.parametrize(("callers", "tick", "hours"), CROWDS[:2])
async def test_other_answers_that_are_definite(storm: Storm, callers: int, tick: float, hours: float) -> None:
    """Rule 10: a password is as rarely sent after any AuthError that is not temporary: 4 in an hour; the error stays."""
    storm.vendor.weather = lambda _: AuthError("POST /login: no", "423")
    source = storm.source()
    got = await storm.hours(hours, tick, callers, source.token)
    assert {"AuthError"} == got.keys()
    assert REFUSED >= storm.ledger.busiest_hour() >= 1
    storm.clock.advance(HOUR)
    for expected in (r"^POST /login: no$", r"^POST /login: no; they are not sent again for \d+ s$"):
        with pytest.raises(AuthError, match=expected) as caught:
            await source.token()
        assert (AuthError, "423") == (type(caught.value), caught.value.code)


async def test_reason_that_is_not_the_passwords_is_not_stored(storm: Storm) -> None:
    """Rule 10: after a pool that was set up wrongly is mended, a restart logs in at once."""
    storm.vendor.weather = lambda _: AuthError("POST /login: no such client")
    await crowd(1, storm.source().token)
    assert await storm.store.load(f"{ACCOUNT}|refused") is None
    storm.vendor.weather = lambda _: None
    assert {"Token": 1} == await crowd(1, storm.source(store=Sharing(storm.store)).token)


async def test_definite_answers_to_a_refresh_do_not_stop_it(storm: Storm) -> None:
    """Rule 9: a refresh locks nobody out: after such an answer it is tried again within a minute, in every hour."""
    source = storm.source()
    await source.token()
    storm.vendor.weather = lambda kind: AuthError("POST: no") if kind == "refresh" else None
    storm.clock.advance(HOUR + 1)
    await storm.hours(1, 15, 1, source.token)
    assert 60 <= storm.ledger.busiest_hour("refresh") <= 127
    storm.vendor.weather = lambda _: None
    storm.clock.advance(60)
    assert {"Token": 1} == await crowd(1, source.token)
    assert 1 == len(storm.ledger.of("login"))


async def test_definite_answers_to_both(storm: Storm) -> None:
    """Rules 9, 10: the password by hand and the refresh are both turned away; neither is asked for by every caller."""
    source = storm.source()
    await source.token()
    storm.vendor.weather = lambda _: AuthError("POST: no")
    storm.clock.advance(HOUR + 1)
    for _ in range(5):
        await crowd(1, source.login)
    await storm.hours(0.9, 10, 2, source.token)
    assert 127 >= storm.ledger.busiest_hour("refresh") >= 50
    assert 6 == len(storm.ledger.of("login"))


async def test_refresh_token_refused_and_no_password(storm: Storm) -> None:
    """Rule 9b: ReauthenticationRequired is latched: the refused token is sent at most 127 times in any hour."""
    await storm.source().token()
    storm.vendor.refresh_tokens.clear()
    storm.clock.advance(HOUR + 1)
    got = await storm.hours(2, 10, 1, storm.source(None).token)
    assert {"ReauthenticationRequired"} == got.keys()
    assert 127 >= storm.ledger.busiest_hour("refresh") >= 1


async def test_challenge_that_nobody_answers(storm: Storm) -> None:
    """Rule 10a: one login per life of a challenge (180 s here): 20 in any hour, for 20 callers."""
    storm.vendor.asks = "CODE_PLEASE"
    got = await storm.hours(3, 60, 20, storm.source().token)
    assert {"ChallengeRequired"} == got.keys()
    assert 20 == storm.ledger.busiest_hour()


async def test_challenge_that_is_answered_wrongly(storm: Storm) -> None:
    """Rules 10, 10a: an on_challenge with a wrong code is a refusal: 4 logins and 4 answers in any hour."""
    storm.vendor.asks = "CODE_PLEASE"

    async def guess(challenge: Challenge) -> dict[str, str]:
        return {"CODE": "000000"}

    got = await storm.hours(3, 60, 5, storm.source(on_challenge=guess).token)
    assert {"InvalidCredentials"} == got.keys()
    assert (REFUSED, REFUSED) == (storm.ledger.busiest_hour("login"), storm.ledger.busiest_hour("answer"))


async def test_answer_to_a_challenge_that_is_definite(storm: Storm) -> None:
    """Rule 10: where the answer to a challenge ends in any definite AuthError, the password rests as well."""
    storm.vendor.asks = "CODE_PLEASE"
    storm.vendor.weather = lambda kind: AuthError("POST /answer: no") if kind == "answer" else None

    async def reply(challenge: Challenge) -> dict[str, str]:
        return {"CODE": "123456"}

    got = await storm.hours(3, 60, 5, storm.source(on_challenge=reply).token)
    assert {"AuthError"} == got.keys()
    assert REFUSED == storm.ledger.busiest_hour("login")


@pytest.mark.parametrize("every", [10.0, 180.0])
async def test_hundreds_of_restarts(storm: Storm, every: float) -> None:
    """Rule 10: a service that restarts every few seconds or minutes with a wrong password: 4 logins in any hour."""
    got = await storm.hours(500 * every / HOUR, every, 1, lambda: _restarted(storm).token())
    assert {"InvalidCredentials": 500} == got
    assert REFUSED >= storm.ledger.busiest_hour() >= 3


def _restarted(storm: Storm) -> TokenSource:
    return storm.source(wrong_again(), store=Sharing(storm.store))


async def test_siblings_in_memory(storm: Storm) -> None:
    """Rule 10: 20 sources that share a store send what one would: 4 logins in any hour."""
    sources = [_restarted(storm) for _ in range(20)]
    for _ in range(6 * 20):
        for source in sources:
            await crowd(2, source.token)
        storm.clock.advance(180)
    assert REFUSED == storm.ledger.busiest_hour()
    assert 6 + 3 >= len(storm.ledger.of())


async def test_siblings_with_files(storm: Storm, tmp_path: Path) -> None:
    """Rule 10: likewise with a directory of files and its locks."""
    stores = [FileTokenStore(tmp_path / "tokens") for _ in range(20)]
    sources = [storm.source(wrong_again(), store=store) for store in stores]
    for _ in range(3):
        got = await asyncio.gather(*(crowd(2, source.token) for source in sources))
        assert {"InvalidCredentials"} == {name for one in got for name in one}
        storm.clock.advance(301)
    assert 2 == len(storm.ledger.of())
    await asyncio.gather(*(source.aclose() for source in sources))


class Flapping(Store):
    """Fail at every third operation."""

    def __init__(self) -> None:
        super().__init__()
        self.operations = 0

    def _fail(self, operation: str) -> None:
        self.operations += 1
        if self.operations % 3 == 0:
            raise self.error


@pytest.mark.parametrize("make", [BrokenStore, Flapping])
async def test_store_in_trouble(storm: Storm, make: Callable[[], WrappedStore]) -> None:
    """Rules 10, 16: with a store that is down or comes and goes, memory remembers: 4 logins in any hour."""
    storm.store = make()
    got = await storm.hours(6, 60, 2, storm.source(WRONG).token)
    assert {"InvalidCredentials"} == got.keys()
    assert REFUSED >= storm.ledger.busiest_hour() >= 3


async def test_secret_manager_with_the_wrong_password(storm: Storm) -> None:
    """Rules 5, 10: it is asked once a minute (60 times in any hour), the vendor 4 times."""
    asked = storm.ledger

    async def credentials() -> Credentials:
        asked.note("asked")
        return WRONG

    got = await storm.hours(1.5, 10, 3, storm.source(credentials).token)
    assert {"InvalidCredentials"} == got.keys()
    assert REFUSED == asked.busiest_hour("login")
    assert 60 == asked.busiest_hour("asked")


@pytest.mark.parametrize("weather", [None, AuthError("POST /login: no")])
async def test_secret_manager_with_a_new_password(storm: Storm, weather: AuthError | None) -> None:
    """Rules 5, 10: a password that was rotated is asked for, and serves, within a minute, whatever the error was."""
    given = [WRONG]
    storm.vendor.weather = lambda _: weather

    async def credentials() -> Credentials:
        return given[-1]

    source = storm.source(credentials)
    await storm.hours(2, 60, 5, source.token)
    storm.vendor.weather = lambda _: None
    given.append(JANE)
    got = await storm.hours(0.1, 10, 10, source.token)
    assert got["Token"] >= 300


async def test_login_by_hand_asks_each_time(storm: Storm) -> None:
    """Rule 10: `login()` is a person's wish: 50 calls are 50 logins, and every one makes the others' pause longer."""
    source = storm.source(WRONG)
    for _ in range(50):
        assert {"InvalidCredentials": 1} == await crowd(1, source.login)
    assert 50 == len(storm.ledger.of("login"))
    assert 3600.0 == storm.told(LoginRefused)[-1].pause
    await storm.hours(0.9, 60, 10, source.token)
    assert 50 == len(storm.ledger.of("login"))
    assert {"InvalidCredentials": 100} == await crowd(100, source.login)
    assert 51 == len(storm.ledger.of("login"))

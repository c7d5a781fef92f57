"""Prove the fake Protogrid, with a plain HTTP client."""

import base64
import json
from collections.abc import AsyncIterator, Mapping
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

import pytest
from aiohttp import ClientSession, DummyCookieJar

from vendorauth.testing import FakeProtogrid, ManualClock

UUID = FakeProtogrid.user_id
EMAIL = FakeProtogrid.username
PASSWORD = FakeProtogrid.password
BASIC = base64.b64encode(f"{EMAIL}:{PASSWORD}".encode()).decode()


class Reply(NamedTuple):
    """Be what came back."""

    status: int
    cookies: list[str]
    body: Any

    @property
    def cookie(self) -> str:
        """The last cookie's name and value, as sent back."""
        return self.cookies[-1].partition(";")[0]

    @property
    def ok(self) -> bool:
        """Whether it is a success by status and envelope."""
        return self.status == 200 and not self.body["errors"]


class Grid:
    """Ask by hand."""

    def __init__(self, fake: FakeProtogrid, session: ClientSession, clock: ManualClock) -> None:
        self.fake = fake
        self.session = session
        self.clock = clock

    async def send(self, method: str, path: str, headers: Mapping[str, str] | None = None, **more: Any) -> Reply:
        """Send one request below ``/api/v2``."""
        url = f"{self.fake.base_url}/api/v2{path}"
        async with self.session.request(method, url, headers=headers, **more) as response:
            text = await response.text()
            body = json.loads(text) if response.content_type == "application/json" else text
            return Reply(response.status, response.headers.getall("Set-Cookie", []), body)

    async def login(self, headers: Mapping[str, str] | None = None, **more: Any) -> Reply:
        """Post to ``/authenticate``."""
        return await self.send("POST", "/authenticate", headers, **more)

    async def cookie(self) -> str:
        """Log in; give the cookie's name and value."""
        return (await self.login({"username": EMAIL, "password": PASSWORD})).cookie

    async def apps(self, cookie: str) -> Reply:
        """List the apps."""
        return await self.send("GET", "/apps", {"Cookie": cookie})


@pytest.fixture
async def grid() -> AsyncIterator[Grid]:
    clock = ManualClock()
    async with FakeProtogrid(clock=clock.timestamp) as fake, ClientSession(cookie_jar=DummyCookieJar()) as session:
        yield Grid(fake, session, clock)


WAYS: dict[str, dict[str, Any]] = {
    "legacy": {"headers": {"user_email": EMAIL, "user_secret": PASSWORD}},
    "headers": {"headers": {"username": EMAIL, "password": PASSWORD}},
    "basic": {"headers": {"Authorization": f"Basic {BASIC}"}},
    "body": {"json": {"username": EMAIL, "password": PASSWORD}},
}


@pytest.mark.parametrize(
    ("generation", "logins", "requests"),
    [
        ("2017", {"legacy"}, set[str]()),
        ("2022", {"headers", "basic"}, {"headers", "basic"}),
        ("2024", {"headers", "basic", "body"}, {"headers", "basic"}),
        ("all", {"legacy", "headers", "basic", "body"}, {"headers", "basic"}),
    ],
)
async def test_generations(grid: Grid, generation: Any, logins: set[str], requests: set[str]) -> None:
    """Each generation of servers takes its own credentials to log in, its own on requests, and the cookie always."""
    grid.fake.generation = generation
    replies = {way: await grid.login(**given) for way, given in WAYS.items()}
    assert logins == {way for way, reply in replies.items() if reply.ok}
    assert requests == {way for way, given in WAYS.items() if (await grid.send("GET", "/apps", **given)).ok}
    for way in logins:
        reply = await grid.apps(replies[way].cookie)
        assert reply.ok
        assert (generation in {"2024", "all"}) == bool(reply.cookies)


async def test_login_as_documented(grid: Grid) -> None:
    """A login brings the documented envelope and a ``session`` cookie, and is counted."""
    reply = await grid.login(WAYS["headers"]["headers"])
    assert {"errors": [], "protogrid_environment_version": "2.6.0", "result": "Login successful!"} == reply.body
    assert reply.cookie.startswith("session=")
    assert ["HttpOnly", "Path=/"] == reply.cookies[0].split("; ")[1:]
    assert (1, 1, 0) == (grid.fake.count.logins, grid.fake.count.password_attempts, grid.fake.count.api)
    assert [reply.cookie.removeprefix("session=")] == list(grid.fake.issued)


@pytest.mark.parametrize(
    ("headers", "right"),
    [
        ({"user_id": EMAIL, "user_secret": PASSWORD}, True),
        ({"user_id": UUID, "user_secret": PASSWORD}, True),
        ({"user_email": UUID, "user_secret": PASSWORD}, False),
        ({"user_id": EMAIL, "user_email": EMAIL, "user_secret": PASSWORD}, False),
        ({"user_id": EMAIL, "user_secret": "other"}, False),
        ({"username": UUID, "password": PASSWORD}, True),
        ({"username": "other", "password": PASSWORD}, False),
        ({"username": EMAIL}, False),
        ({"username": EMAIL, "password": PASSWORD, "user_id": EMAIL, "user_secret": PASSWORD}, True),
        ({"Authorization": "Basic %%%"}, False),
        ({"Authorization": "Bearer x"}, False),
    ],
)
async def test_names_and_passwords(grid: Grid, headers: dict[str, str], *, right: bool) -> None:
    """E-mail address and user id are the same user, except in the header that says e-mail."""
    assert right == (await grid.login(headers)).ok


async def test_login_with_cookie(grid: Grid) -> None:
    """A living cookie logs in, too, and brings a new one."""
    cookie = await grid.cookie()
    reply = await grid.login({"Cookie": f"other=1; {cookie}"})
    assert reply.ok
    assert cookie != reply.cookie
    assert 1 == grid.fake.count.password_attempts


async def test_body_must_be_the_documented_one(grid: Grid) -> None:
    """A JSON body that is none, or lacks a part, carries no credentials."""
    for body in (b"{", b"[]", b'{"username": "x"}', b'{"username": "x", "password": 5}'):
        reply = await grid.login({"Content-Type": "application/json; charset=utf-8"}, data=body)
        assert 403 == reply.status
    assert 0 == grid.fake.count.password_attempts


async def test_failure_as_documented(grid: Grid) -> None:
    """A refused login is HTTP 403 around an envelope with code 401; a missing one says something else."""
    wrong, missing = await grid.login({"username": EMAIL, "password": "x"}), await grid.login()
    assert (403, 403) == (wrong.status, missing.status)
    assert [401, 401] == [reply.body["errors"][0]["code"] for reply in (wrong, missing)]
    assert wrong.body["errors"][0]["message"] != missing.body["errors"][0]["message"]
    assert ({}, []) == (wrong.body["result"], wrong.cookies)
    assert (1, 1, 0) == (
        grid.fake.count.password_attempts,
        grid.fake.count.passwords_refused,
        grid.fake.count.refused,
    )


async def test_failure_of_old_servers(grid: Grid) -> None:
    """Old servers may answer 200 and say so in the envelope only, also for a missing permission."""
    cookie = await grid.cookie()
    grid.fake.refuses_with = "200-envelope"
    reply = await grid.apps("session=dead")
    assert (200, 401) == (reply.status, reply.body["errors"][0]["code"])
    assert 1 == grid.fake.count.refused
    grid.fake.permitted = False
    reply = await grid.apps(cookie)
    assert (200, 403) == (reply.status, reply.body["errors"][0]["code"])


async def test_plain_failure(grid: Grid) -> None:
    """A refusal may have no envelope at all."""
    grid.fake.refuses_with = "401-plain"
    reply = await grid.apps("session=dead")
    assert (401, "Unauthorized") == (reply.status, reply.body)


async def test_not_permitted(grid: Grid) -> None:
    """Permission switched off is a 403 in both places, for a login that works."""
    grid.fake.permitted = False
    reply = await grid.apps(await grid.cookie())
    assert (403, 403) == (reply.status, reply.body["errors"][0]["code"])
    assert (1, 0) == (grid.fake.count.denied, grid.fake.count.refused)


async def test_locked(grid: Grid) -> None:
    """A locked account refuses the right password; sessions live on."""
    cookie = await grid.cookie()
    grid.fake.locked = True
    assert not (await grid.login(WAYS["headers"]["headers"])).ok
    assert (await grid.apps(cookie)).ok


async def test_session_life(grid: Grid) -> None:
    """A session ends after its life, and not when none is set."""
    forever = await grid.cookie()
    grid.fake.session_life = 10
    cookie = await grid.cookie()
    grid.clock.advance(9)
    assert (await grid.apps(cookie)).cookie == cookie
    grid.clock.advance(1)
    assert not (await grid.apps(cookie)).ok
    assert (await grid.apps(forever)).ok


async def test_expire_all(grid: Grid) -> None:
    """All sessions die at once."""
    cookie = await grid.cookie()
    grid.fake.expire_all()
    assert 403 == (await grid.apps(cookie)).status


async def test_cookie_attributes(grid: Grid) -> None:
    """A cookie may name its end in either way."""
    grid.fake.max_age, grid.fake.expires = 60, 90
    reply = await grid.login(WAYS["basic"]["headers"])
    *_, max_age, expires = reply.cookies[0].split("; ")
    assert "Max-Age=60" == max_age
    end = parsedate_to_datetime(expires.removeprefix("Expires="))
    assert grid.clock.timestamp() + 90 == end.timestamp()


@pytest.mark.parametrize("old_lives", [True, False])
async def test_rolling(grid: Grid, *, old_lives: bool) -> None:
    """Each successful answer brings a new cookie; the old one lives on or dies at once."""
    grid.fake.generation, grid.fake.rolling, grid.fake.old_cookie_lives = "2022", True, old_lives
    first = await grid.cookie()
    reply = await grid.apps(first)
    assert reply.cookie != first
    assert old_lives == (await grid.apps(first)).ok
    assert (await grid.apps(reply.cookie)).ok


async def test_failures_bring_no_cookie(grid: Grid) -> None:
    """A cookie rolls with successful answers only."""
    grid.fake.rolling = True
    assert [] == (await grid.send("GET", "/apps/none", {"Cookie": await grid.cookie()})).cookies


@pytest.mark.parametrize(("cookie", "sent"), [("empty", ["session=; HttpOnly; Path=/"]), ("missing", [])])
async def test_bad_cookies(grid: Grid, cookie: Any, sent: list[str]) -> None:
    """A successful login may bring an empty cookie, or none."""
    grid.fake.cookie = cookie
    assert sent == (await grid.login(WAYS["headers"]["headers"])).cookies


async def test_other_cookies(grid: Grid) -> None:
    """Other cookies may come before the session's."""
    grid.fake.other_cookies.append("route=a1; Path=/")
    reply = await grid.login(WAYS["headers"]["headers"])
    assert ["route=a1; Path=/", reply.cookies[1]] == reply.cookies
    assert reply.cookie.startswith("session=")


async def test_dead_cookie_beside_a_password(grid: Grid) -> None:
    """A password counts more than a dead cookie, and brings a living one."""
    headers = {"Cookie": "session=dead", "username": EMAIL, "password": PASSWORD}
    reply = await grid.send("GET", "/apps", headers)
    assert reply.ok
    assert (await grid.apps(reply.cookie)).ok


async def test_environment_version(grid: Grid) -> None:
    """The envelope's version may be another, or missing."""
    cookie = await grid.cookie()
    grid.fake.environment_version = "1.3.9"
    assert "1.3.9" == (await grid.apps(cookie)).body["protogrid_environment_version"]
    grid.fake.environment_version = None
    assert {"errors", "result"} == set((await grid.apps(cookie)).body)


async def test_apps(grid: Grid) -> None:
    """Apps have the documented fields and are found by id and by name."""
    cookie = await grid.cookie()
    apps = (await grid.apps(cookie)).body["result"]
    assert grid.fake.apps == apps
    assert {"app_id", "description", "logo_url", "theme_color", "title", "url", "url_name"} == set(apps[0])
    for name in (apps[0]["app_id"], apps[0]["url_name"]):
        assert apps[0] == (await grid.send("GET", f"/apps/{name}", {"Cookie": cookie})).body["result"]


@pytest.mark.parametrize(("method", "path"), [("GET", "/apps/none"), ("GET", "/nonsense"), ("DELETE", "/apps/example")])
async def test_not_there(grid: Grid, method: str, path: str) -> None:
    """What is not there is a 404 in both places."""
    reply = await grid.send(method, path, {"Cookie": await grid.cookie()})
    assert (404, 404) == (reply.status, reply.body["errors"][0]["code"])


async def test_login_is_a_post(grid: Grid) -> None:
    """The login takes POST only."""
    assert 405 == (await grid.send("GET", "/authenticate", WAYS["headers"]["headers"])).status


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
async def test_echo(grid: Grid, method: str) -> None:
    """Every method is echoed in the envelope, and no credential ever."""
    cookie = await grid.cookie()
    secrets = {"Cookie": cookie, "username": EMAIL, "password": PASSWORD, "user_id": UUID, "user_secret": PASSWORD}
    reply = await grid.send(method, "/echo", secrets, params={"a": "1"}, json={"b": 2})
    result = reply.body["result"]
    assert (method, "/api/v2/echo", {"a": "1"}, {"b": 2}) == tuple(
        result[k] for k in ("method", "path", "query", "json")
    )
    assert not any(secret in json.dumps(result) for secret in (cookie, PASSWORD, EMAIL, UUID))


def test_constructor_takes_the_session_life() -> None:
    """The life of a session may be given at once."""
    assert 3 == FakeProtogrid(session_life=3).session_life

"""Prove the sandbox's switches over HTTP: each does what its page says, and what can't be right is told."""

import asyncio
import json
import re
import shlex
from collections.abc import AsyncIterator
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest
from aiohttp import ClientSession

from vendorauth import (
    ChallengeRequired,
    NotFound,
    PasswordCredentials,
    ProGloveClient,
    ProtogridClient,
    RateLimited,
    TransportError,
)
from vendorauth.cli.controls import Stand, serving
from vendorauth.testing import FakeProGlove, FakeProtogrid

PAGE = (Path(__file__).parent.parent / "docs" / "reference" / "sandbox.md").read_text(encoding="utf-8")
DEVICES = "/{customer_id}/devices"


class Sandbox:
    """Run both fakes, and turn their switches as another program would."""

    def __init__(self, url: str, stands: dict[str, Stand[Any]], session: ClientSession) -> None:
        self.url = url
        self.stands = stands
        self.session = session

    async def send(self, method: str, path: str, told: str | None = None) -> tuple[int, Any]:
        async with self.session.request(method, urljoin(self.url, path), data=told) as response:
            assert "application/json" == response.content_type
            return response.status, await response.json()

    async def turn(self, path: str, told: str | None = None) -> Any:
        status, state = await self.send("POST", path, told)
        assert 200 == status, state
        return state

    async def set(self, fake: str, told: str) -> Any:
        status, settings = await self.send("PATCH", f"/{fake}/settings", told)
        assert 200 == status, settings
        return settings

    def glove(self) -> ProGloveClient:
        fake = self.stands["proglove"].fake
        credentials = PasswordCredentials(fake.username, fake.password)
        return ProGloveClient(fake.base_url, fake.customer_id, credentials, cognito_url=fake.cognito_url, retries=0)

    def grid(self) -> ProtogridClient:
        fake = self.stands["protogrid"].fake
        return ProtogridClient(fake.base_url, PasswordCredentials(fake.username, fake.password), retries=0)


def make_glove(port: int) -> FakeProGlove:
    return FakeProGlove(port=port, token_life=1000.0)


def make_grid(port: int) -> FakeProtogrid:
    return FakeProtogrid(port=port)


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    glove, grid = Stand(make_glove, 0), Stand(make_grid, 0)
    stands: dict[str, Stand[Any]] = {"proglove": glove, "protogrid": grid}
    async with glove, grid, serving(stands, 0) as url, ClientSession() as session:
        yield Sandbox(url, stands, session)


async def test_the_page(sandbox: Sandbox) -> None:
    """Every command on the page works, and every switch and field is on it."""
    commands = [shlex.split(line)[1:] for line in PAGE.splitlines() if line.startswith("curl ")]
    waiting: list[asyncio.Task[tuple[int, Any]]] = []
    for words in commands:
        options = dict(pairwise(words))
        (url,) = (word for word in words if word.startswith("$VENDORAUTH_SANDBOX_URL/"))
        path = url.removeprefix("$VENDORAUTH_SANDBOX_URL")
        status, answer = await sandbox.send(options.get("-X", "GET"), path, options.get("-d"))
        assert (200, words) == (status, words), answer
        if path.endswith("/hold"):
            waiting = [asyncio.create_task(sandbox.send("GET", answer["base_url"])) for _ in range(2)]
    assert [401, 401] == [status for status, _ in await asyncio.gather(*waiting)]
    rows = re.findall(r"^\| (`.+?) \|", PAGE.partition("## Switches")[2], re.MULTILINE)
    documented = {name.strip("`") for row in rows for name in row.split(", ")}
    assert {name for stand in sandbox.stands.values() for name in stand.switches} == documented
    _, states = await sandbox.send("GET", "/")
    assert {f"`{field}`" for state in states.values() for field in state} <= set(re.findall(r"`\w+`", PAGE))
    assert 13 == len(commands)


async def test_expiry_and_revocation(sandbox: Sandbox) -> None:
    """Tokens end when they are told to, and the counters tell what came of it."""
    async with sandbox.glove() as client:
        await client.get(DEVICES)
        await sandbox.turn("/proglove/expire_all")
        await client.get(DEVICES)
        _, state = await sandbox.send("GET", "/proglove")
        count = state["count"]
        assert (1, 1, 1) == (count["logins"], count["refreshes"], count["refused"])
        assert ({"devices": 2}, 1, True) == (state["asked"], state["refreshable_logins"], state["running"])
        token = client.tokens.peek()
        assert token is not None
        state = await sandbox.turn("/proglove/revoke", f'{{"refresh_token": "{token.refresh_token}"}}')
        assert 0 == state["refreshable_logins"]
        await client.get(DEVICES)
        state = await sandbox.turn("/proglove/revoke_all", '{"refresh_only": true}')
        assert (2, 0) == (state["count"]["logins"], state["refreshable_logins"])
        await client.get(DEVICES)
        state = await sandbox.turn("/proglove/reset_count")
        assert ({0}, {}) == ({*state["count"].values()}, state["asked"])


async def test_hold(sandbox: Sandbox) -> None:
    """Requests wait, their arrival is told, and their release lets them go."""
    async with sandbox.grid() as client:
        await client.login()
        assert {"any": 0} == (await sandbox.turn("/protogrid/hold", '{"limit": 2}'))["held"]
        asked = [asyncio.create_task(client.apps()) for _ in range(2)]
        assert {"any": 2} == (await sandbox.turn("/protogrid/arrived", '{"n": 2}'))["held"]
        assert {} == (await sandbox.turn("/protogrid/release"))["held"]
        assert [2, 2] == [len(apps) for apps in await asyncio.gather(*asked)]


async def test_trouble(sandbox: Sandbox) -> None:
    """The next requests fail as they are told to, with headers and text or JSON; healing forgets the rest."""
    envelope = '{"errors": [{"code": 404, "message": "Gone."}], "result": {}}'
    async with sandbox.grid() as client:
        await sandbox.turn("/protogrid/fail_next", f'{{"status": 404, "body": {envelope}, "on": "api"}}')
        with pytest.raises(NotFound):
            await client.apps()
        await sandbox.turn("/protogrid/fail_next", '{"status": 429, "body": "!", "headers": {"Retry-After": "99"}}')
        with pytest.raises(RateLimited) as caught:
            await client.apps()
        assert 99 == caught.value.retry_after
        await sandbox.turn("/protogrid/fail_next", '{"status": 502, "body": "busy"}')
        async with sandbox.session.get(sandbox.stands["protogrid"].fake.base_url) as response:
            assert (502, "busy") == (response.status, await response.text())
        await sandbox.turn("/protogrid/lose_next", '{"n": 2, "on": "api"}')
        with pytest.raises(TransportError):
            await client.apps()
        await sandbox.turn("/protogrid/heal")
        assert 2 == len(await client.apps())


async def test_an_outage(sandbox: Sandbox) -> None:
    """While it is stopped nobody gets through; then everything is as before."""
    async with sandbox.grid() as client:
        await client.apps()
        state = await sandbox.turn("/protogrid/stop")
        assert (False, 0) == (state["running"], state["connections"])
        with pytest.raises(TransportError):
            await client.apps()
        assert (await sandbox.turn("/protogrid/start"))["running"]
        assert 2 == len(await client.apps())
    assert 1 == sandbox.stands["protogrid"].fake.count.logins


async def test_settings(sandbox: Sandbox) -> None:
    """What is set holds, what is not named stays, and of a change with a mistake nothing is done."""
    settings = await sandbox.set("proglove", '{"devices": [{"id": "A"}], "delays": {"api": 0}, "wrong_types": []}')
    assert ([{"id": "A"}], False, 1000.0) == (settings["devices"], settings["rotation"], settings["token_life"])
    async with sandbox.glove() as client:
        assert ["A"] == [device.id async for device in client.devices()]
    status, answer = await sandbox.send("PATCH", "/proglove/settings", '{"rotation": true, "token_life": "long"}')
    assert (400, "Expected `float`, got `str` - at `$.token_life`") == (status, answer["error"])
    assert (200, settings) == await sandbox.send("GET", "/proglove/settings")


async def test_reset(sandbox: Sandbox) -> None:
    """A fake is as it began, at the same place, and the other one as it was."""
    _, before = await sandbox.send("GET", "/")
    await sandbox.set("proglove", '{"throttled": true, "devices": []}')
    await sandbox.turn("/proglove/require", '{"name": "SOFTWARE_TOKEN_MFA"}')
    await sandbox.turn("/proglove/stop")
    await sandbox.set("protogrid", '{"locked": true}')
    assert before["proglove"] == await sandbox.turn("/proglove/reset")
    async with sandbox.glove() as client:
        assert 5 == len([device async for device in client.devices()])
    assert sandbox.stands["protogrid"].fake.locked


async def test_a_second_factor(sandbox: Sandbox) -> None:
    """It is asked for until nothing is required any more."""
    await sandbox.turn("/proglove/require", '{"name": "SOFTWARE_TOKEN_MFA", "code": "4711"}')
    async with sandbox.glove() as client:
        with pytest.raises(ChallengeRequired) as caught:
            await client.get(DEVICES)
        await client.tokens.answer(caught.value.challenge, {"SOFTWARE_TOKEN_MFA_CODE": "4711"})
        await sandbox.turn("/proglove/require_nothing")
        await client.login()


WRONG = [
    ("GET", "/nobody", None, 404, 'there is no fake "nobody"; there are: proglove, protogrid'),
    ("POST", "/protogrid/require", None, 404, 'there is no switch "require"; there are: arrived, expire_all, '),
    ("GET", "/proglove/expire_all", None, 405, "Method Not Allowed"),
    ("GET", "/proglove/expire_all/now", None, 404, "Not Found"),
    ("POST", "/proglove/expire_all", "[]", 400, "Expected `object`, got `array`"),
    ("POST", "/proglove/expire_all", "{", 400, "truncated"),
    ("POST", "/proglove/expire_all", '{"all": true}', 400, "unknown field `all`"),
    ("POST", "/proglove/hold", '{"on": "apis"}', 400, "Invalid enum value 'apis' - at `$.on`"),
    ("POST", "/proglove/revoke", "{}", 400, "missing required field `refresh_token`"),
    ("POST", "/proglove/revoke", '{"refresh_token": "x"}', 400, "no login has this refresh token"),
    ("POST", "/proglove/arrived", '{"on": "api"}', 400, 'nothing is held on "api"'),
    ("POST", "/proglove/release", None, 400, 'nothing is held on "any"'),
    ("POST", "/proglove/start", None, 409, "this fake runs already"),
    ("PATCH", "/proglove/settings", '{"count": {}}', 400, "unknown field `count`"),
    ("POST", "/proglove/fail_next", '{"body": ' + "[" * 9_999, 400, "recursion"),
]


async def test_what_cannot_be_right(sandbox: Sandbox) -> None:
    """It is refused with a sentence that says what is wrong, and changes nothing."""
    before = await sandbox.send("GET", "/")
    for method, path, told, status, error in WRONG:
        got, answer = await sandbox.send(method, path, told)
        assert (status, True) == (got, error in answer["error"]), (path, answer)
    assert before == await sandbox.send("GET", "/")


async def test_resets_at_once(sandbox: Sandbox) -> None:
    """Where several programs begin anew at the same time, one after the other does, and the fake is there."""
    states = await asyncio.gather(*(sandbox.turn("/proglove/reset") for _ in range(5)))
    assert [True] * 5 == [state["running"] for state in states]
    async with sandbox.glove() as client:
        await client.login()


async def test_web_pages_turn_nothing(sandbox: Sandbox) -> None:
    """A page in a browser on this machine may not, nor one whose name was made to mean this machine."""
    port = sandbox.url.rpartition(":")[2]
    before = await sandbox.send("GET", "/")
    pages = [{"Origin": "https://page.example"}, {"Origin": "null"}, {"Host": f"page.example:{port}"}, {"Host": "["}]
    for headers in pages:
        async with sandbox.session.post(f"{sandbox.url}/proglove/stop", headers=headers) as response:
            assert 403 == response.status, headers
            assert "web pages" in (await response.json())["error"]
    for host in ("localhost", "127.0.0.1", "[::1]"):
        async with sandbox.session.get(sandbox.url, headers={"Host": f"{host}:{port}"}) as response:
            assert 200 == response.status
    assert before == await sandbox.send("GET", "/")


async def test_long_lists(sandbox: Sandbox) -> None:
    """As many devices as a large customer has can be set."""
    told = BytesIO(
        json.dumps({"devices": [{"id": str(number), "name": "x" * 500} for number in range(3_000)]}).encode()
    )
    async with sandbox.session.patch(f"{sandbox.url}/proglove/settings", data=told) as response:
        assert (200, 3_000) == (response.status, len((await response.json())["devices"]))


async def test_nobody_arrives(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits for requests that never come is told so."""
    monkeypatch.setattr("vendorauth.testing._switches.PATIENCE", 0.01)
    await sandbox.turn("/proglove/hold")
    assert (409, {"error": "the requests did not arrive in time"}) == await sandbox.send("POST", "/proglove/arrived")


async def test_the_port_is_taken(sandbox: Sandbox) -> None:
    """That is said."""
    with pytest.raises(OSError, match=sandbox.url.rpartition(":")[2]):
        async with serving({}, int(sandbox.url.rpartition(":")[2])):
            pass

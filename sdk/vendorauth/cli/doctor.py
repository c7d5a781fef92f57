"""Look for what may be in the way of a login: one line for each thing, with what to do about it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Final, Literal, TypeAlias, final
from urllib.parse import quote

import attrs
from yarl import URL

from vendorauth._dates import read_date
from vendorauth._urls import checked_base_url
from vendorauth._wire import structure
from vendorauth.cli.clients import credentials_of
from vendorauth.cli.failures import FAILED, one_line
from vendorauth.cli.places import describe, store_of
from vendorauth.cli.profiles import Profile, config_path, find_profile, read_profiles
from vendorauth.cli.screen import console, local, plain, write_json
from vendorauth.cognito.endpoints import login_url
from vendorauth.engine.sessions import Sessions
from vendorauth.engine.transport import Transport
from vendorauth.errors import StoreError, VendorAuthError
from vendorauth.messages import NOT_JSON, Request, Response
from vendorauth.proglove.models import AuthInformation
from vendorauth.tokens import Token

Verdict: TypeAlias = Literal["ok", "wrong", "skipped"]
Check: TypeAlias = Callable[[], Awaitable[str]]

_PATIENCE: Final = 10.0
_LOCK_PATIENCE: Final = 0.3
_MOST_SKEW: Final = 30.0
_STYLES: Final[Mapping[Verdict, str]] = {"ok": "green", "wrong": "bold red", "skipped": "dim"}
_PROBE: Final = "vendorauth doctor"


@attrs.frozen
class Line:
    """Be what one check found: *text* says what is well, or what to do."""

    check: str
    verdict: Verdict
    text: str


class Finding(Exception):
    """Say what is wrong, and what to do."""


def examine(name: str | None, *, as_json: bool) -> int:
    """Examine the profile *name*, or all of them; print a line for each check, and tell by the exit code."""
    names = list(read_profiles()) if name is None else [name]
    found = {one: asyncio.run(_Examination(one).lines()) for one in names}
    if as_json:
        write_json({one: [attrs.asdict(line) for line in lines] for one, lines in found.items()})
    else:
        _show(found)
    return FAILED if any(line.verdict == "wrong" for lines in found.values() for line in lines) else 0


def _show(found: Mapping[str, list[Line]]) -> None:
    screen = console()
    if not found:
        screen.print(plain(f"There are no profiles in {config_path()}: make one with `vendorauth login NAME`."))
    for name, lines in found.items():
        screen.print(plain(name))
        for line in lines:
            text = plain(f"  {line.verdict:<8}").append(f"{line.check:<9} ").append(one_line(line.text))
            text.stylize(_STYLES[line.verdict], 2, 10)
            screen.print(text)


@final
class _Examination:
    """Be one profile's examination: every check gives a line, whatever became of those before."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._profile: Profile | None = None
        self._url: URL | None = None
        self._answer: Response | None = None

    async def lines(self) -> list[Line]:
        checks: list[tuple[str, Check, Callable[[], object]]] = [
            ("profile", self._check_profile, lambda: True),
            ("base URL", self._check_url, lambda: self._profile),
            ("DNS", self._check_dns, lambda: self._url),
            ("TLS", self._check_tls, lambda: self._url),
            ("clock", self._check_clock, lambda: self._url),
            ("region", self._check_region, lambda: self._answer),
            ("store", self._check_store, lambda: self._profile),
            ("lock", self._check_lock, lambda: self._profile),
            ("login", self._check_login, lambda: self._profile),
        ]
        return [await _line(title, check, ready=bool(needs())) for title, check, needs in checks]

    @property
    def _known(self) -> Profile:
        assert self._profile is not None
        return self._profile

    @property
    def _known_url(self) -> URL:
        assert self._url is not None
        return self._url

    async def _check_profile(self) -> str:
        self._profile = find_profile(self._name)
        return f"{self._profile.vendor}, in {config_path()}"

    async def _check_url(self) -> str:
        self._url = checked_base_url(self._known.base_url)
        return str(self._url)

    async def _check_dns(self) -> str:
        url = self._known_url
        host, loop = url.host or "", asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(host, url.port, type=1)
        except OSError as error:
            message = f"{host} can't be resolved ({error.strerror}): check the base URL, the network, the resolver"
            raise Finding(message) from None
        return f"{host} is {', '.join(sorted({str(address[0]) for *_, address in found}))}"

    async def _check_tls(self) -> str:
        url = self._known_url
        if url.scheme == "http":
            return "none: plain http, which stays on this machine"
        try:
            _, writer = await asyncio.open_connection(url.host, url.port, ssl=ssl.create_default_context())
        except ssl.SSLCertVerificationError as error:
            message = f"{error.verify_message}: is a proxy in between, or its certificate missing on this machine?"
            raise Finding(message) from None
        except OSError as error:
            message = f"no connection to {url.host}:{url.port} ({error.strerror}): check the network and the proxy"
            raise Finding(message) from None
        version: str = writer.get_extra_info("ssl_object").version()
        writer.transport.abort()
        return f"{version}, and the certificate is good"

    async def _check_clock(self) -> str:
        self._answer = await self._asked()
        date = read_date(self._answer.headers.get("Date", ""))
        if date is None:
            return "not known: the server's answer has no date"
        ahead = (datetime.now(UTC) - date).total_seconds()
        if abs(ahead) <= _MOST_SKEW:
            return f"{abs(ahead):.0f} s from the server's"
        message = (
            f"this machine is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} the server: set its clock"
        )
        raise Finding(message)

    async def _asked(self) -> Response:
        profile, base = self._known, self._known_url
        path = "/api/v2/apps"
        if profile.vendor == "proglove":
            path = f"/auth-information?id={quote(profile.customer_id or '', safe='')}"
        sessions = Sessions()
        try:
            return await Transport(sessions)(Request("GET", URL(f"{base}{path}", encoded=True)))
        finally:
            await sessions.close()

    async def _check_region(self) -> str:
        profile, answer = self._known, self._answer
        assert answer is not None
        if profile.vendor == "protogrid":
            return "none: Protogrid has no regions"
        if not answer.ok or answer.json is NOT_JSON:
            message = f"the auth-information is answered with {answer.status}: check base URL and customer id"
            raise Finding(message)
        region = structure(answer.json, AuthInformation, "the auth-information").region
        if profile.cognito_url:
            return f"{region}, but the login goes to {profile.cognito_url}"
        return f"{region}: the login goes to {login_url(region, 'the auth-information').host}"

    async def _check_store(self) -> str:
        store, now = store_of(self._known), datetime.now(UTC)
        probe = Token(value="probe", issued_at=now)
        await store.save(_PROBE, probe)
        stored = await store.load(_PROBE)
        await store.delete(_PROBE)
        if stored != probe:
            message = "it does not give back what it was given: take another store, with `vendorauth login --store`"
            raise Finding(message)
        return describe(self._known.store)

    async def _check_lock(self) -> str:
        account = self._known.account_name
        async with store_of(self._known).lock(account):
            try:
                async with asyncio.timeout(_LOCK_PATIENCE), store_of(self._known).lock(account):
                    pass
            except (TimeoutError, StoreError):
                return "held by one at a time"
        message = "two could hold it at once: put the files on a local disk"
        raise Finding(message)

    async def _check_login(self) -> str:
        token = await store_of(self._known).load(self._known.account_name)
        can_log_in = credentials_of(self._name, self._known) is not None
        if token is None and can_log_in:
            return "not yet: the next call logs in, with what the environment has"
        if token is None:
            message = f"nobody is logged in: `vendorauth login {self._name}`"
            raise Finding(message)
        over = token.expires_at is not None and token.expires_at <= datetime.now(UTC)
        renewable = can_log_in or bool(token.refresh_token)
        if over and not renewable:
            message = f"the token is over, and can't be renewed: `vendorauth login {self._name}`"
            raise Finding(message)
        until = "no end" if token.expires_at is None else f"until {local(token.expires_at)}"
        return f"there is a token, {until}{', renewed by itself' if renewable else ''}"


async def _line(title: str, check: Check, *, ready: bool) -> Line:
    if not ready:
        return Line(title, "skipped", "not tried, because of what is wrong above")
    try:
        async with asyncio.timeout(_PATIENCE):
            return Line(title, "ok", await check())
    except TimeoutError:
        text = f"no answer within {_PATIENCE:g} s: check the network"
    except (VendorAuthError, Finding) as error:
        text = str(error)
    return Line(title, "wrong", text)

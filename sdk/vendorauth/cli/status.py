"""Tell how logins are doing, without any request; and give the header's value to scripts."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Final, Literal, TypeAlias

import attrs

from vendorauth.cli.clients import client_for, credentials_of
from vendorauth.cli.failures import FAILED, LOGIN_NEEDED, naming
from vendorauth.cli.places import describe, store_of
from vendorauth.cli.profiles import Profile, config_path, find_profile, read_profiles
from vendorauth.cli.screen import console, local, plain, span, table, write, write_json, write_table
from vendorauth.engine.freshness import Moment, life_of
from vendorauth.engine.policy import RefreshPolicy
from vendorauth.errors import VendorAuthError
from vendorauth.tokens import JSON, Token

State: TypeAlias = Literal["fresh", "renewal due", "login needed", "unreadable"]
_STYLES: Final[dict[State, str]] = {
    "fresh": "green",
    "renewal due": "yellow",
    "login needed": "bold red",
    "unreadable": "bold red",
}
_CODES: Final[dict[State, int]] = {"login needed": LOGIN_NEEDED, "unreadable": FAILED}


@attrs.frozen(kw_only=True)
class Standing:
    """Say how the login of *profile* is doing: *renewal_from* on, the next call renews it, without being asked."""

    name: str
    profile: Profile
    state: State
    expires_at: datetime | None = None
    renewal_from: datetime | None = None
    trouble: str = ""

    def to_json(self) -> JSON:
        """Give it as JSON can say it."""
        return {
            "profile": self.name,
            "vendor": self.profile.vendor,
            "base_url": self.profile.base_url,
            "customer_id": self.profile.customer_id,
            "username": self.profile.username,
            "state": self.state,
            "expires_at": self.expires_at,
            "renewal_from": self.renewal_from,
            "store": self.profile.store,
            "stored_in": describe(self.profile.store),
            "trouble": self.trouble or None,
        }


def show_profiles(*, as_json: bool) -> None:
    """List the profiles."""
    profiles = read_profiles()
    if as_json:
        write_json([{"profile": name, **attrs.asdict(profile)} for name, profile in profiles.items()])
        return
    if not profiles:
        console(errors=True).print(plain(f"No profiles in {config_path()}: make one with `vendorauth login NAME`."))
        return
    shown = table("profile", "vendor", "base URL", "customer", "user", "store")
    for name, one in profiles.items():
        cells = (name, one.vendor, one.base_url, one.customer_id or "", one.username or "", one.store)
        shown.add_row(*map(plain, cells))
    write_table(shown)


def show_status(name: str | None, *, as_json: bool) -> int:
    """Show how the login *name* is doing, or all of them; the exit code says whether *name* needs a login."""
    chosen = read_profiles() if name is None else {name: find_profile(name)}
    found = [asyncio.run(_standing(one, profile)) for one, profile in chosen.items()]
    if as_json:
        told = [one.to_json() for one in found]
        write_json(told if name is None else told[0])
    else:
        for one in found:
            _show(one)
    return _CODES.get(found[0].state, 0) if name is not None else 0


def show_login(name: str, profile: Profile, token: Token, *, as_json: bool) -> None:
    """Say that *profile* is logged in now, and where its *token* rests."""
    if as_json:
        write_json({**Standing(name=name, profile=profile, state="fresh").to_json(), "expires_at": token.expires_at})
        return
    until = f", until {local(token.expires_at)}" if token.expires_at else ""
    screen = console(errors=True)
    screen.print(plain(f"{name} is logged in{until}."))
    screen.print(plain(f"The token is in {describe(profile.store)}."))


def show_token(name: str, *, as_json: bool) -> None:
    """
    Print the value of the header that proves the login *name*, renewed if need be, and nothing else.

    Raises:
        ConfigurationError: It takes more than one header.
        AuthError: There is no token to be had.
    """
    with naming(name):
        header, value, expires_at = asyncio.run(_header(name, find_profile(name)))
    if as_json:
        write_json({"header": header, "value": value, "expires_at": expires_at})
    else:
        write(f"{value}\n")


async def _header(name: str, profile: Profile) -> tuple[str, str, datetime | None]:
    async with client_for(name, profile) as client:
        token = await client.tokens.token()
        ((header, value),) = client.tokens.flow.headers(token).items()
        return header, value, token.expires_at


async def _standing(name: str, profile: Profile) -> Standing:
    try:
        token = await store_of(profile).load(profile.account_name)
        can_log_in = credentials_of(name, profile) is not None
    except VendorAuthError as error:
        return Standing(name=name, profile=profile, state="unreadable", trouble=str(error))
    if token is None:
        return Standing(name=name, profile=profile, state="renewal due" if can_log_in else "login needed")
    now = Moment(time.time(), time.monotonic())
    life = life_of(token, RefreshPolicy(), now)
    renewable = can_log_in or bool(token.refresh_token)
    return Standing(
        name=name,
        profile=profile,
        state=_state(ahead=life.ahead.passed(now), over=life.end.passed(now), renewable=renewable),
        expires_at=token.expires_at,
        renewal_from=_when(life.ahead) if renewable and token.expires_at else None,
    )


def _state(*, ahead: bool, over: bool, renewable: bool) -> State:
    if over and not renewable:
        return "login needed"
    return "renewal due" if ahead and renewable else "fresh"


def _when(moment: Moment) -> datetime:
    return datetime.fromtimestamp(moment.wall, UTC)


def _show(one: Standing) -> None:
    screen, profile = console(), one.profile
    customer = f", customer {profile.customer_id}" if profile.customer_id else ""
    rows = {
        "who": f"{profile.username or profile.account}{customer}, at {profile.base_url}",
        "until": _until(one),
        "next renewal": _renewal(one),
        "stored in": describe(profile.store),
        "trouble": one.trouble,
    }
    screen.print(plain(one.name).append(f"  {one.state}", style=_STYLES[one.state]))
    for title, text in rows.items():
        if text:
            screen.print(plain(f"  {title:<13} {text}"))


def _until(one: Standing) -> str:
    if one.expires_at is None:
        return "" if one.state in {"login needed", "unreadable"} else "the vendor names no end"
    left = (one.expires_at - datetime.now(UTC)).total_seconds()
    return f"{local(one.expires_at)} ({f'{span(left)} left' if left > 0 else 'over'})"


def _renewal(one: Standing) -> str:
    if one.state in {"login needed", "unreadable"}:
        return f"none: log in with `vendorauth login {one.name}`" if one.state == "login needed" else ""
    if one.state == "renewal due":
        return "with the next call"
    return f"with the first call after {local(one.renewal_from)}" if one.renewal_from else "none: it can't be renewed"

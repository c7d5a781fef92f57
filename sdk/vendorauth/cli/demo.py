"""
Show the main job, against both fakes in this process, and check each claim against what the fakes have counted.

The story is told once for each vendor: log in, expire, restart, wrong password.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, Generic, TypeVar, final

import attrs
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from vendorauth.client import BaseClient
from vendorauth.errors import InvalidCredentials
from vendorauth.proglove import ProGloveClient
from vendorauth.protogrid import ProtogridClient
from vendorauth.stores import FileTokenStore, MemoryTokenStore, TokenStore
from vendorauth.testing import FakeProGlove, FakeProtogrid
from vendorauth.tokens import PasswordCredentials

ClientT = TypeVar("ClientT", bound=BaseClient)

REQUESTS: Final = 50
WRONG: Final = "Wrong-Horse-8"


@final
class Teller:
    """Tell the story, and keep the claims that did not hold."""

    def __init__(self, console: Console) -> None:
        self.console: Final = console
        self.held: int = 0
        self.failed: list[str] = []

    def step(self, text: str) -> None:
        """Begin a step."""
        self.console.print(f"\n [bold]{escape(text)}[/]")

    def claim(self, text: str, *, expected: object, seen: object) -> None:
        """Say *text*, and whether what was *seen* is what it promises."""
        if expected == seen:
            self.held += 1
            self.console.print(f"    [green]ok[/]   {escape(text)}")
        else:
            self.failed.append(text)
            self.console.print(f"    [bold red]NOT[/]  {escape(f'{text}: expected {expected}, saw {seen}')}")


@attrs.frozen(kw_only=True)
class Vendor(Generic[ClientT]):
    """
    Be one vendor: its *fake*, a client of it (for a password and a store), and what that client has to show.

    *renewed_by* is how this vendor renews: with a refresh token, or with a login.
    """

    name: str
    fake: FakeProGlove | FakeProtogrid
    connect: Callable[[str, TokenStore], ClientT]
    things: Callable[[ClientT], Awaitable[Table]]
    path: str
    renewed_by: str
    available: int


def show(console: Console | None = None) -> list[str]:
    """
    Tell the story on *console* (the standard output), and give the claims that did not hold.

    Raises:
        VendorAuthError: The story could not go on.
    """
    teller = Teller(console or Console(highlight=False))
    with tempfile.TemporaryDirectory(prefix="vendorauth-demo-") as directory:
        asyncio.run(_tell(teller, Path(directory)))
    teller.console.print()
    if teller.failed:
        teller.console.print(
            f"[bold red]{len(teller.failed)} claims do not hold:[/] {escape('; '.join(teller.failed))}"
        )
    else:
        teller.console.print(
            f"[green]All {teller.held} claims hold[/], by the count of what the fake vendors were sent."
        )
    return teller.failed


async def _tell(teller: Teller, directory: Path) -> None:
    async with FakeProGlove() as glove, FakeProtogrid() as grid:
        await _story(teller, _proglove(glove), directory)
        await _story(teller, _protogrid(grid), directory)


async def _story(teller: Teller, vendor: Vendor[ClientT], directory: Path) -> None:
    teller.console.print(f"\n[bold cyan]{vendor.name}[/], faked at {vendor.fake.origin}")
    # A store for each client: the second one knows nothing but the files.
    async with vendor.connect(vendor.fake.password, FileTokenStore(directory)) as client:
        await _log_in(teller, vendor, client)
        await _expire(teller, vendor, client)
    async with vendor.connect(vendor.fake.password, FileTokenStore(directory)) as client:
        await _restart(teller, vendor, client)
    async with vendor.connect(WRONG, MemoryTokenStore()) as client:
        await _mistype(teller, vendor, client)


async def _log_in(teller: Teller, vendor: Vendor[ClientT], client: ClientT) -> None:
    teller.step("Ask for what is there; nobody is logged in yet.")
    vendor.fake.count.reset()
    table = await vendor.things(client)
    teller.console.print(table)
    count = vendor.fake.count
    teller.claim(f"{vendor.name}: all {vendor.available} are there", expected=vendor.available, seen=table.row_count)
    teller.claim(f"{vendor.name}: 1 login", expected=1, seen=count.logins)


async def _expire(teller: Teller, vendor: Vendor[ClientT], client: ClientT) -> None:
    teller.step(f"End all tokens at the vendor's, and send {REQUESTS} requests at once.")
    vendor.fake.count.reset()
    vendor.fake.expire_all()
    begun = time.perf_counter()
    answers = await asyncio.gather(*(client.request("GET", vendor.path) for _ in range(REQUESTS)))
    took = time.perf_counter() - begun
    statuses = {answer.status for answer in answers}
    count = vendor.fake.count
    teller.claim(f"{vendor.name}: {REQUESTS} good answers, in {took:.2f} s", expected={200}, seen=statuses)
    renewals = {"login": count.logins, "refresh": count.refreshes}
    expected = {"login": 0, "refresh": 0} | {vendor.renewed_by: 1}
    teller.claim(f"{vendor.name}: 1 renewal, by a {vendor.renewed_by}", expected=expected, seen=renewals)


async def _restart(teller: Teller, vendor: Vendor[ClientT], client: ClientT) -> None:
    teller.step("Start again: a new client, with the files that the last one left.")
    vendor.fake.count.reset()
    answer = await client.request("GET", vendor.path)
    count = vendor.fake.count
    teller.claim(f"{vendor.name}: a good answer", expected=200, seen=answer.status)
    teller.claim(f"{vendor.name}: no login, no renewal", expected=0, seen=count.logins + count.refreshes)


async def _mistype(teller: Teller, vendor: Vendor[ClientT], client: ClientT) -> None:
    teller.step("Log in with a wrong password, twice.")
    vendor.fake.count.reset()
    refusal = await _refusal(client, vendor.path)
    count = vendor.fake.count
    teller.claim(f"{vendor.name}: {refusal}", expected=InvalidCredentials, seen=type(refusal))
    teller.claim(f"{vendor.name}: 1 login with the wrong password", expected=1, seen=count.password_attempts)
    again = await _refusal(client, vendor.path)
    teller.claim(f"{vendor.name}: the second call fails likewise", expected=InvalidCredentials, seen=type(again))
    teller.claim(f"{vendor.name}: and sends no password", expected=1, seen=count.password_attempts)


async def _refusal(client: BaseClient, path: str) -> InvalidCredentials | None:
    try:
        await client.request("GET", path)
    except InvalidCredentials as error:
        return error
    return None


def _proglove(fake: FakeProGlove) -> Vendor[ProGloveClient]:
    def connect(password: str, store: TokenStore) -> ProGloveClient:
        credentials = PasswordCredentials(fake.username, password)
        return ProGloveClient(fake.base_url, fake.customer_id, credentials, cognito_url=fake.cognito_url, store=store)

    async def things(client: ProGloveClient) -> Table:
        table = Table("device", "model", "battery", "state", title="Devices")
        async for device in client.devices():
            table.add_row(device.id, device.model, f"{device.battery} %", device.state)
        return table

    return Vendor(
        name="ProGlove INSIGHT",
        fake=fake,
        connect=connect,
        things=things,
        path="/{customer_id}/features",
        renewed_by="refresh",
        available=len(fake.devices),
    )


def _protogrid(fake: FakeProtogrid) -> Vendor[ProtogridClient]:
    def connect(password: str, store: TokenStore) -> ProtogridClient:
        return ProtogridClient(fake.base_url, PasswordCredentials(fake.username, password), store=store)

    async def things(client: ProtogridClient) -> Table:
        table = Table("app", "title", "where", title="Apps")
        for app in await client.apps():
            table.add_row(app.app_id, app.title, app.url)
        return table

    return Vendor(
        name="Protogrid",
        fake=fake,
        connect=connect,
        things=things,
        path="/api/v2/apps",
        renewed_by="login",
        available=len(fake.apps),
    )

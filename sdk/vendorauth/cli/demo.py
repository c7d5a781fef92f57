"""
Show the main job, against both fakes in this process, and check each claim against what the fakes have counted.

The story is told once for each vendor: log in, expire, restart, wrong password.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, Generic, Literal, TypeVar, final

import attrs
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from vendorauth.client import BaseClient
from vendorauth.errors import InvalidCredentials
from vendorauth.proglove import ProGloveClient
from vendorauth.protogrid import ProtogridClient
from vendorauth.stores import FileTokenStore, MemoryTokenStore, TokenStore
from vendorauth.testing import FakeProGlove, FakeProtogrid
from vendorauth.testing._records import Count
from vendorauth.tokens import PasswordCredentials

ClientT = TypeVar("ClientT", bound=BaseClient)

REQUESTS: Final = 50
WRONG: Final = "Wrong-Horse-8"


@final
class Teller:
    """Tell the story, and keep the claims that did not hold."""

    def __init__(self, console: Console) -> None:
        self.failed: list[str] = []
        self._console = console
        self._subject = ""
        self._held = 0

    def begin(self, subject: str, where: str) -> None:
        """Begin the part about *subject*."""
        self._subject = subject
        self._console.print(f"\n[bold cyan]{escape(subject)}[/], faked at {escape(where)}", soft_wrap=True)

    def step(self, text: str) -> None:
        """Begin a step."""
        self._console.print(f"\n [bold]{escape(text)}[/]", soft_wrap=True)

    def display(self, table: Table) -> None:
        """Show *table*."""
        self._console.print(table)

    def claim(self, text: str, *, expected: object, seen: object) -> None:
        """Say *text*, and whether what was *seen* is what it promises."""
        if expected == seen:
            self._held += 1
            self._console.print(f"    [green]ok[/]   {escape(text)}", soft_wrap=True)
            return
        self.failed.append(f"{self._subject}: {text}: expected {expected}, saw {seen}")
        self._console.print(f"    [bold red]NOT[/]  {escape(text)}", soft_wrap=True)

    def end(self) -> None:
        """Say how it went."""
        if not self.failed:
            held = f"[green]All {self._held} claims hold[/], as counted by the fake vendors."
            self._console.print(f"\n{held}", soft_wrap=True)
            return
        self._console.print("\n[bold red]This does not hold:[/]")
        for text in self.failed:
            self._console.print(f" {escape(text)}", soft_wrap=True)


@attrs.frozen(kw_only=True)
class Vendor(Generic[ClientT]):
    """
    Be one vendor: its *fake*, how to *connect* to it (with a password and a store), and which *things* to show.

    There are so many *available*; *path* is one of theirs. *renewed_by* is how this vendor renews tokens.
    """

    name: str
    fake: FakeProGlove | FakeProtogrid
    connect: Callable[[str, TokenStore], ClientT]
    things: Callable[[ClientT], Awaitable[Table]]
    path: str
    renewed_by: Literal["login", "refresh"]
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
    teller.end()
    return teller.failed


def show_as_json() -> list[str]:
    """Check the claims without telling the story, and print those that did not hold as JSON."""
    failed = show(Console(quiet=True))
    print(json.dumps({"failed": failed}))  # noqa: T201  the standard output is what it is for
    return failed


async def _tell(teller: Teller, directory: Path) -> None:
    async with FakeProGlove() as glove, FakeProtogrid() as grid:
        await _story(teller, _proglove(glove), directory)
        await _story(teller, _protogrid(grid), directory)


async def _story(teller: Teller, vendor: Vendor[ClientT], directory: Path) -> None:
    fake = vendor.fake
    teller.begin(vendor.name, fake.origin)
    # A store for each client: the second one knows nothing but the files.
    async with vendor.connect(fake.password, FileTokenStore(directory)) as client:
        await _log_in(teller, vendor, client)
        await _expire(teller, vendor, client)
    async with vendor.connect(fake.password, FileTokenStore(directory)) as client:
        await _restart(teller, vendor, client)
    async with vendor.connect(WRONG, MemoryTokenStore()) as client:
        await _mistype(teller, vendor, client)


async def _log_in(teller: Teller, vendor: Vendor[ClientT], client: ClientT) -> None:
    teller.step("Ask for what is there, with nobody logged in.")
    count = _from_zero(vendor)
    table = await vendor.things(client)
    teller.display(table)
    teller.claim(f"all {vendor.available} are there", expected=vendor.available, seen=table.row_count)
    teller.claim("1 login", expected=1, seen=count.logins)


async def _expire(teller: Teller, vendor: Vendor[ClientT], client: ClientT) -> None:
    teller.step(f"End all tokens at the vendor's, and send {REQUESTS} requests at once.")
    count = _from_zero(vendor)
    vendor.fake.expire_all()
    begun = time.perf_counter()
    answers = await asyncio.gather(*(client.request("GET", vendor.path) for _ in range(REQUESTS)))
    took = time.perf_counter() - begun
    good = sum(answer.content == answers[0].content for answer in answers)
    teller.claim(f"{REQUESTS} good answers, in {took:.2f} s", expected=REQUESTS, seen=good)
    renewals = {"login": count.logins, "refresh": count.refreshes}
    once = {"login": 0, "refresh": 0} | {vendor.renewed_by: 1}
    teller.claim(f"1 renewal, by a {vendor.renewed_by}", expected=once, seen=renewals)


async def _restart(teller: Teller, vendor: Vendor[ClientT], client: ClientT) -> None:
    teller.step("Start again: a new client, with the files that the last one left.")
    count = _from_zero(vendor)
    table = await vendor.things(client)
    teller.claim(f"all {vendor.available} are there", expected=vendor.available, seen=table.row_count)
    teller.claim("no login, no renewal", expected=0, seen=count.logins + count.refreshes)


async def _mistype(teller: Teller, vendor: Vendor[ClientT], client: ClientT) -> None:
    teller.step("Log in with a wrong password, twice.")
    count = _from_zero(vendor)
    first = await _refusal(client, vendor.path)
    teller.claim(f"a true error: {first!r}", expected="InvalidCredentials", seen=type(first).__name__)
    teller.claim("1 login with the wrong password", expected=1, seen=count.password_attempts)
    second = await _refusal(client, vendor.path)
    again = str(second).startswith(str(first))
    teller.claim(f"and again: {second!r}", expected=True, seen=second is not None and again)
    teller.claim("which sends no password", expected=1, seen=count.password_attempts)


def _from_zero(vendor: Vendor[ClientT]) -> Count:
    vendor.fake.count.reset()
    return vendor.fake.count


async def _refusal(client: BaseClient, path: str) -> InvalidCredentials | None:
    try:
        await client.request("GET", path)
    except InvalidCredentials as error:
        return error
    return None


def _table(title: str, *columns: str) -> Table:
    """Make a table that a narrow page folds: an ellipsis is not in every encoding."""
    return Table(*(Column(name, overflow="fold") for name in columns), title=title)


def _proglove(fake: FakeProGlove) -> Vendor[ProGloveClient]:
    def connect(password: str, store: TokenStore) -> ProGloveClient:
        credentials = PasswordCredentials(fake.username, password)
        return ProGloveClient(fake.base_url, fake.customer_id, credentials, cognito_url=fake.cognito_url, store=store)

    async def things(client: ProGloveClient) -> Table:
        table = _table("Devices", "device", "model", "battery", "state")
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
        table = _table("Apps", "app", "title", "where")
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

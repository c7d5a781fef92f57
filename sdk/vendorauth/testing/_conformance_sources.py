"""Check that a token store serves the sources that use it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final, final

from yarl import URL

from vendorauth.engine.source import TokenSource
from vendorauth.errors import ReauthenticationRequired, StoreError
from vendorauth.events import StoreTrouble, TokenEvent
from vendorauth.flows import BaseLoginFlow
from vendorauth.messages import Flow, Request, Response
from vendorauth.stores import TokenStore
from vendorauth.testing._conformance_asserts import MakeStore, account, equal, fail, raises, run, soon, token
from vendorauth.tokens import Challenge, Credentials, PasswordCredentials, Token

_OK: Final = 200
_REFUSED: Final = 401
_CREDENTIALS: Final = PasswordCredentials("jane", "a password")


@final
class _Vendor:
    """Answer logins and refreshes; a refresh token works once."""

    def __init__(self) -> None:
        self.logins = 0
        self.refreshes = 0
        self.reused = 0

    async def send(self, request: Request) -> Response:
        await asyncio.sleep(0.005)
        issued = f"{self.logins + self.refreshes}".encode()
        if request.url.name == "login":
            self.logins += 1
        elif request.body == issued:
            self.refreshes += 1
        else:
            self.reused += 1
            return Response(_REFUSED, {}, b"")
        return Response(_OK, {}, f"{self.logins + self.refreshes}".encode())


@final
class _VendorFlow(BaseLoginFlow):
    def __init__(self, whose: str) -> None:
        self.account: Final = whose
        self.base_url: Final = URL("https://vendor.invalid")

    def login(self, credentials: Credentials, *, now: datetime) -> Flow[Token | Challenge]:
        del credentials
        return _issued((yield Request("POST", self.base_url / "login")), now)

    def refresh(self, token: Token, *, now: datetime) -> Flow[Token]:
        body = (token.refresh_token or "").encode()
        return _issued((yield Request("POST", self.base_url / "refresh", body=body)), now)

    def headers(self, token: Token) -> Mapping[str, str]:
        return {"Authorization": token.value}


def _issued(response: Response, now: datetime) -> Token:
    if response.status != _OK:
        message = "the refresh token was used before"
        raise ReauthenticationRequired(message)
    number = (response.body or b"").decode()
    return Token(value=f"value {number}", issued_at=now, expires_at=now + timedelta(hours=1), refresh_token=number)


def sources_share_one_login(make: MakeStore) -> None:
    """Two sources on two stores, as in two processes, log in once, renew once for both, and see each other's logout."""

    async def check() -> None:
        whose, vendor = account(), _Vendor()
        async with make() as store, make() as other:
            sources = [_source(whose, vendor, one) for one in (store, other)]
            async with sources[0], sources[1], soon("logging in, renewing three times and logging out"):
                last = [await source.token() for source in sources]
                for _ in range(3):
                    last = await asyncio.gather(*(one.renew(had) for one, had in zip(sources, last, strict=True)))
                    equal(last[0], last[1], "the token of another source after both have renewed")
                counted = {"logins": vendor.logins, "refreshes": vendor.refreshes, "spent twice": vendor.reused}
                await sources[0].logout()
            equal({"logins": 1, "refreshes": 3, "spent twice": 0}, counted, "what the vendor saw")
            equal(None, await other.load(whose), "loaded after a logout")

    run(check)


def trouble_has_a_name(make: MakeStore) -> None:
    """A store that can't be reached raises a StoreError, soon, whatever it is asked."""

    async def check() -> None:
        whose = account()

        async with make() as store:
            await raises(StoreError, store.load(whose), "loading from a store that can't be reached")
            await raises(StoreError, store.save(whose, token()), "saving to a store that can't be reached")
            await raises(StoreError, store.delete(whose), "deleting from a store that can't be reached")
            await raises(StoreError, store.lock(whose).__aenter__(), "taking the lock of a store that can't be reached")

    run(check)


def trouble_costs_no_token(make: MakeStore) -> None:
    """
    A source whose store can't be reached gives a token soon, and reports the trouble as StoreErrors, whatever the store raises.

    One that was made with *strict_store* raises the StoreError.
    """

    async def check() -> None:
        vendor, told = _Vendor(), list[TokenEvent]()
        async with make() as store:
            # Closed only when all went well: a store that hangs would keep closing, and the check's sentence, waiting.
            source = _source(account(), vendor, store, told)
            async with soon("logging in while the store can't be reached"):
                found = await source.token()
            await source.aclose()
            equal("value 1", found.value, "the token of a source whose store can't be reached")
            troubles = {event.operation for event in told if isinstance(event, StoreTrouble)}
            if not {"load", "save", "lock"} & troubles:
                fail("a store that can't be reached raised nothing")
            async with _source(account(), vendor, store, strict=True) as strict:
                await raises(
                    StoreError, strict.token(), "logging in, with strict_store, while the store can't be reached"
                )

    run(check)


def _source(
    whose: str, vendor: _Vendor, store: TokenStore, told: list[TokenEvent] | None = None, *, strict: bool = False
) -> TokenSource:
    hook = None if told is None else told.append
    flow = _VendorFlow(whose)
    return TokenSource(flow, _CREDENTIALS, store=store, send=vendor.send, on_event=hook, strict_store=strict)

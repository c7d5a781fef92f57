import asyncio
import os
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx

from vendorauth import FileTokenStore, PasswordCredentials, TokenSource
from vendorauth.integrations.httpx import VendorAuth, httpx_send
from vendorauth.protogrid import ProtogridFlow


async def main() -> None:
    base_url = os.environ["PROTOGRID_BASE_URL"]
    jane = PasswordCredentials(os.environ["PROTOGRID_USERNAME"], os.environ["PROTOGRID_PASSWORD"])
    store = FileTokenStore(os.environ["STATE_DIRECTORY"])
    no_cookies = CookieJar(DefaultCookiePolicy(allowed_domains=()))
    async with httpx.AsyncClient(base_url=base_url, cookies=no_cookies) as client:
        flow = ProtogridFlow(base_url, account="protogrid-jane")
        async with TokenSource(flow, jane, store=store, send=httpx_send(client)) as source:
            client.auth = VendorAuth(source)
            answer = await client.get("/api/v2/apps")
            answer.raise_for_status()
            print(len(answer.json()["result"]), "apps")


asyncio.run(main())

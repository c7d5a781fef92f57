import asyncio
import os

from aiohttp import ClientSession, DummyCookieJar

from vendorauth import ProGloveClient
from vendorauth.integrations.aiohttp import authenticate

PROXY = os.environ.get("EXAMPLE_PROXY")


async def lend() -> None:
    """Let a client send through a session of yours: it lends its connections, tracing and proxy."""
    async with ClientSession(proxy=PROXY) as session, ProGloveClient.from_env(session=session) as proglove:
        page = await proglove.get("/{customer_id}/gateways")
        print(len(page["items"]), "gateways through a session that was lent")


async def keep() -> None:
    """Send requests of your own: the client only logs in."""
    async with (
        ProGloveClient.from_env(proxy=PROXY) as proglove,
        ClientSession(
            middlewares=(authenticate(proglove.tokens),), cookie_jar=DummyCookieJar(), proxy=PROXY
        ) as session,
    ):
        url = f"{proglove.tokens.flow.base_url}/{os.environ['PROGLOVE_CUSTOMER_ID']}/gateways"
        async with session.get(url) as answer:
            page = await answer.json()
            print(answer.status, len(page["items"]), "gateways through a session with a middleware")


async def main() -> None:
    await lend()
    await keep()


asyncio.run(main())

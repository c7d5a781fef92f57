import asyncio
import os

from aiohttp import ClientSession

from vendorauth import FileTokenStore, PasswordCredentials, ProGloveClient, VendorAuthError
from vendorauth.pool import ClientPool

STORE = FileTokenStore(os.environ["STATE_DIRECTORY"])
CREDENTIALS = PasswordCredentials(os.environ["PROGLOVE_USERNAME"], os.environ["PROGLOVE_PASSWORD"])


def make(customer_id: str, session: ClientSession) -> ProGloveClient:
    return ProGloveClient(
        os.environ["PROGLOVE_BASE_URL"],
        customer_id,
        CREDENTIALS,
        cognito_url=os.environ.get("PROGLOVE_COGNITO_URL"),
        store=STORE,
        session=session,
    )


async def count(pool: ClientPool[str, ProGloveClient], customer_id: str) -> None:
    try:
        async with pool.client(customer_id) as proglove:
            devices = [device async for device in proglove.devices()]
    except VendorAuthError as error:
        print(f"{customer_id}: {error}")
    else:
        print(f"{customer_id}: {len(devices)} devices")


async def main() -> None:
    async with ClientPool(make, max_clients=1_000, logins_per_second=60) as pool:
        await asyncio.gather(*(count(pool, one) for one in os.environ["CUSTOMERS"].split()))


asyncio.run(main())

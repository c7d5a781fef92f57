import asyncio
import os

from vendorauth import FileTokenStore, ProGloveClient


async def main() -> None:
    store = FileTokenStore(os.environ["STATE_DIRECTORY"])
    async with ProGloveClient.from_env(store=store) as proglove:
        async for event in proglove.events():
            print(event.created_at, event.device_id, event.scan_code)


asyncio.run(main())

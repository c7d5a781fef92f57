import asyncio

from vendorauth import FileTokenStore, ProGloveClient


async def main() -> None:
    async with ProGloveClient.from_env(store=FileTokenStore("~/.local/state/vendorauth")) as proglove:
        page = await proglove.get("/{customer_id}/gateways", params={"limit": 10})  # parsed JSON
        print(len(page["items"]), "gateways")
        async for device in proglove.devices():  # typed, page by page
            print(device.id, device.battery, device.state)


asyncio.run(main())

import asyncio

from vendorauth import FileTokenStore, ProtogridClient
from vendorauth.protogrid import App


async def main() -> None:
    async with ProtogridClient.from_env(store=FileTokenStore("~/.local/state/vendorauth")) as grid:
        answer = await grid.get("/api/v2/apps", model=list[App])
        print("Protogrid", answer.environment_version)
        for app in answer.result:
            print(app.app_id, app.title)


asyncio.run(main())

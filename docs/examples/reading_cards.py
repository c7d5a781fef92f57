import asyncio

from vendorauth import ProtogridClient


async def main() -> None:
    async with ProtogridClient.from_env() as grid:
        app, *_ = await grid.apps()
        print(app.title, await grid.views(app.app_id))
        async for row in grid.view_rows(app.app_id, "by_name", prefix=["customer"], limit=2):
            if row.card_key:
                card = await grid.card(app.app_id, row.card_key)
                print(card.value("5f0f6a5e-4a57-4d0b-8a7e-0c2f8d8f3a01", default="nameless"))


asyncio.run(main())

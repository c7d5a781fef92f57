import asyncio

from vendorauth import ProGloveClient, Renewed, TokenEvent


def show(event: TokenEvent) -> None:
    if isinstance(event, Renewed):
        print(f"renewed by {event.how}, good until {event.expires_at:%H:%M:%S}")


async def main() -> None:
    async with ProGloveClient.from_env(on_event=show) as proglove:
        for _ in range(5):
            await proglove.get("/{customer_id}/features")
            await asyncio.sleep(1)


asyncio.run(main())

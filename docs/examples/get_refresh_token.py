import asyncio

from vendorauth import ProGloveClient


async def main() -> None:
    async with ProGloveClient.from_env() as proglove:
        token = await proglove.login()
        print(token.refresh_token)  # a secret: for the secret manager, and for nothing else


asyncio.run(main())

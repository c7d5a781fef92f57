import asyncio
import sys

from vendorauth import FileTokenStore, ProGloveClient, VendorAuthError


async def main() -> None:
    async with ProGloveClient.from_env(store=FileTokenStore("~/.local/state/vendorauth")) as proglove:
        try:
            await proglove.tokens.token()
        except VendorAuthError as error:
            if not error.temporary:
                sys.exit(f"somebody has to look at this: {error!r}")
            print(f"starting all the same: {error!r}")
        print("serving")  # here the application serves until it is told to stop


asyncio.run(main())

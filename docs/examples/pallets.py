import asyncio
import os

from client_credentials import ClientCredentialsFlow

from vendorauth import ApiClient, FileTokenStore, PasswordCredentials


async def main() -> None:
    flow = ClientCredentialsFlow(os.environ["DEPOT_URL"], account="depot")
    client_credentials = PasswordCredentials("warehouse-7", "a secret of warehouse-7")
    async with ApiClient(flow, client_credentials, store=FileTokenStore("~/.local/state/vendorauth")) as depot:
        for pallet in await depot.get("/pallets"):
            print(pallet["id"], pallet["place"])


asyncio.run(main())

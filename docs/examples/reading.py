import asyncio
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

from vendorauth import FileTokenStore, ProGloveClient
from vendorauth.proglove import ScanEvent, TelemetryEvent, UnknownEvent


async def main() -> None:
    async with ProGloveClient.from_env(store=FileTokenStore("~/.local/state/vendorauth")) as proglove:
        async for page in proglove.devices().pages():
            print(len(page.items), "devices:", page.metadata["description"])

        gateways = {gateway.id: gateway.name async for gateway in proglove.gateways()}
        start = datetime.now(UTC) - timedelta(hours=24)
        for gateway_id, name in gateways.items():
            events = [event async for event in proglove.events(start=start, gateway_id=gateway_id)]
            print(name, len(events), "events")

        async with aclosing(proglove.events(start=start)) as some:
            async for event in some:
                match event:
                    case ScanEvent():
                        print(event.created_at, event.scan_code)
                    case TelemetryEvent():
                        print(event.created_at, event.device_battery, "%")
                        break
                    case UnknownEvent():
                        print(event.type, dict(event.extra))


asyncio.run(main())

import asyncio
import logging
import sys

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import ConsoleMetricExporter, PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter

from vendorauth import ProGloveClient
from vendorauth.integrations.opentelemetry import instrument

logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s", stream=sys.stdout)

# Console exporters show it all here; a service has those of its collector.
tracers = TracerProvider()
tracers.add_span_processor(BatchSpanProcessor(ConsoleSpanExporter()))
meters = MeterProvider([PeriodicExportingMetricReader(ConsoleMetricExporter())])


async def main() -> None:
    async with ProGloveClient.from_env() as proglove:
        instrument(proglove, tracer_provider=tracers, meter_provider=meters)
        await proglove.get("/{customer_id}/devices", params={"limit": 5})
        meters.force_flush()  # while there is a client to look at


asyncio.run(main())
tracers.shutdown()
meters.shutdown()

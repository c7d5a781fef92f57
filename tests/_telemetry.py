"""What the tests of OpenTelemetry share: providers that keep in memory what they are given."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from vendorauth.integrations.opentelemetry import instrument

Attributes = dict[str, Any]


class Telemetry:
    """Record what instrumented clients do."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self._reader = InMemoryMetricReader()
        self.tracers = TracerProvider(shutdown_on_exit=False)
        self.tracers.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.meters = MeterProvider([self._reader], shutdown_on_exit=False)

    def close(self) -> None:
        """End both providers."""
        self.tracers.shutdown()
        self.meters.shutdown()

    def instrument(self, *clients: Any) -> None:
        """Record what *clients* do."""
        for client in clients:
            instrument(client, tracer_provider=self.tracers, meter_provider=self.meters)

    @property
    def spans(self) -> list[ReadableSpan]:
        """What has ended, in this order."""
        return list(self._exporter.get_finished_spans())

    def clear(self) -> None:
        """Forget all spans."""
        self._exporter.clear()

    def tree(self) -> list[str]:
        """Write each span with the names of those that it is in."""
        known = {span.context.span_id: span for span in self.spans if span.context}
        return [" < ".join(span.name for span in _line(span, known)) for span in self.spans]

    def of(self, name: str) -> list[Attributes]:
        """Give the attributes of all spans called *name*."""
        return [dict(span.attributes or {}) for span in self.spans if span.name == name]

    def points(self) -> Iterator[tuple[str, Any]]:
        """Go through all that is measured, as names and data points."""
        data = self._reader.get_metrics_data()
        for resource in data.resource_metrics if data else ():
            for metric in (metric for scope in resource.scope_metrics for metric in scope.metrics):
                yield from ((metric.name, point) for point in metric.data.data_points)

    def measured(self, name: str) -> list[tuple[float, Attributes]]:
        """Give the values of *name*, or how many there were where it is a duration, with their attributes."""
        found = [point for its, point in self.points() if its == name]
        return [(point.count if hasattr(point, "count") else point.value, dict(point.attributes)) for point in found]

    def written(self) -> str:
        """Write all that was recorded."""
        return "\n".join([*(span.to_json() for span in self.spans), *(repr(point) for point in self.points())])


def _line(span: ReadableSpan, known: dict[int, ReadableSpan]) -> Iterator[ReadableSpan]:
    yield span
    if span.parent is not None and span.parent.span_id in known:
        yield from _line(known[span.parent.span_id], known)

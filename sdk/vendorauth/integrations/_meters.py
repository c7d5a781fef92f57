"""Measure how tokens are doing, for OpenTelemetry: counters and durations from events, gauges from what is held."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from threading import Lock
from typing import Final, final
from weakref import WeakKeyDictionary, WeakSet

from opentelemetry.metrics import CallbackOptions, Meter, MeterProvider, Observation, get_meter
from opentelemetry.util.types import AttributeValue

from vendorauth._version import __version__
from vendorauth.engine.source import TokenSource
from vendorauth.engine.status import SourceStatus
from vendorauth.events import RenewalFailed, Renewed, Replayed, StoreTrouble, TokenEvent

SCHEMA: Final = "https://opentelemetry.io/schemas/1.30.0"
"""The semantic conventions that names follow; those of HTTP are stable."""

_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
"""The bounds that the conventions ask for in ``http.client.request.duration``."""

_LONGER: Final = (*_SECONDS, 20.0, 30.0, 60.0)


@final
class Meters:
    """Hold the instruments of one provider, and look at the sources that it watches, without keeping them alive."""

    def __init__(self, meter: Meter) -> None:
        self._sources: WeakSet[TokenSource] = WeakSet()
        self._lock = Lock()  # exporters ask from threads of their own
        self._renewals = meter.create_counter("vendorauth.renewals", "{renewal}", "Renewals that ended, by outcome")
        self._renewal_duration = meter.create_histogram(
            "vendorauth.renewal.duration",
            "s",
            "How long renewals took, waiting for the store's lock included",
            explicit_bucket_boundaries_advisory=_LONGER,
        )
        self._store_errors = meter.create_counter("vendorauth.store.errors", "{error}", "Failures of token stores")
        self._replays = meter.create_counter(
            "vendorauth.replays", "{request}", "Requests sent again with a newer token"
        )
        self._request_duration = meter.create_histogram(
            "http.client.request.duration",
            "s",
            "Duration of HTTP client requests",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        meter.create_observable_gauge("vendorauth.token.age", [self._ages], "s", "Time since the token was issued")
        meter.create_observable_up_down_counter(
            "vendorauth.waiters", [self._waiters], "{caller}", "Callers who wait for a renewal"
        )

    def watch(self, source: TokenSource) -> None:
        """Look at *source* as well, as long as it is used."""
        with self._lock:
            self._sources.add(source)

    def event(self, event: TokenEvent) -> None:
        """Count *event*."""
        account = {"vendorauth.account": event.account}
        match event:
            case Renewed():
                self._renewed(event, {**account, "vendorauth.renewal.how": event.how})
            case RenewalFailed():
                self._renewed(event, {**account, "error.type": type(event.error).__name__})
            case StoreTrouble():
                error = type(event.error).__name__
                self._store_errors.add(
                    1, {**account, "vendorauth.store.operation": event.operation, "error.type": error}
                )
            case Replayed():
                self._replays.add(1, {**account, "http.response.status_code": event.status})
            case _:
                pass

    def request(self, seconds: float, attributes: Mapping[str, AttributeValue]) -> None:
        """Record how long one request took until its headers were there."""
        self._request_duration.record(seconds, attributes)

    def _renewed(self, event: Renewed | RenewalFailed, outcome: dict[str, AttributeValue]) -> None:
        attributes = {**outcome, "vendorauth.renewal.ahead": event.ahead}
        self._renewals.add(1, attributes)
        self._renewal_duration.record(event.seconds, attributes)

    def _ages(self, _: CallbackOptions) -> Iterator[Observation]:
        for status in self._used():
            if status.age is not None:
                yield Observation(status.age, {"vendorauth.account": status.account})

    def _waiters(self, _: CallbackOptions) -> Iterator[Observation]:
        for status in self._used():
            yield Observation(status.waiting, {"vendorauth.account": status.account})

    def _used(self) -> list[SourceStatus]:
        """Give each account that is in use once: its sources share what they hold."""
        with self._lock:
            found = {
                status.account: status for status in (source.status() for source in self._sources) if _is_used(status)
            }
        return list(found.values())


def meters_of(provider: MeterProvider | None) -> Meters:
    """Give the instruments of *provider*, or of the global one; a second set of the same names would be refused."""
    if provider is None:
        return _global()
    with _making:
        if provider not in _known:
            _known[provider] = Meters(provider.get_meter("vendorauth", __version__, SCHEMA))
        return _known[provider]


@cache
def _global() -> Meters:
    return Meters(get_meter("vendorauth", __version__, schema_url=SCHEMA))


def _is_used(status: SourceStatus) -> bool:
    """Tell a source that was closed, or never used, from one that has a token or gets one."""
    return status.renewing or status.state != "none"


_making: Final = Lock()
_known: Final[WeakKeyDictionary[MeterProvider, Meters]] = WeakKeyDictionary()

"""
Show OpenTelemetry what clients do: spans for requests, logins and refreshes, and metrics of tokens.

Needs the extra ``otel``. Nothing that is recorded holds a secret: no header, no body, no value of a query, no text of
another library's error.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import partial
from itertools import count
from typing import Final, TypeAlias, TypeVar, final

import aiohttp
from yarl import URL

from vendorauth.integrations._extras import told

try:
    from opentelemetry import context, trace
except ModuleNotFoundError as _error:
    raise told(_error, "opentelemetry", "otel") from None

from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode, TracerProvider
from opentelemetry.util.types import AttributeValue

from vendorauth._tracebacks import place_of
from vendorauth._version import __version__
from vendorauth.client import BaseClient
from vendorauth.engine.single_flight import Kind, Work
from vendorauth.engine.source import TokenSource
from vendorauth.errors import VendorAuthError
from vendorauth.events import How, TokenEvent
from vendorauth.integrations._meters import SCHEMA, Meters, meters_of
from vendorauth.tokens import Token

__all__ = ["instrument"]

T = TypeVar("T")

log: Final = logging.getLogger(__name__)

_METHODS: Final = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"})
_FAILED: Final = 400

_SUPPRESS: Final = "suppress_instrumentation"
"""What OpenTelemetry's instrumentations look for in the context, to be silent."""

_sends: Final[ContextVar[Iterator[int] | None]] = ContextVar("vendorauth_sends", default=None)
"""Counts what the API call under way has sent up to now."""

Attributes: TypeAlias = dict[str, AttributeValue]


def instrument(
    client: BaseClient | TokenSource,
    *,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
) -> None:
    """
    Record what *client* does from now on; the providers are the global ones when left out.

    Each request gets one ``CLIENT`` span, after the semantic conventions for HTTP; another instrumentation of aiohttp is
    silent about it. A renewal is a span of its own trace, linked to the call that started it: it belongs to nobody. Of a
    `TokenSource`, whose requests somebody else sends, renewals and metrics are recorded.

    *client* is not kept alive. Calling it again replaces what was recorded for it before.
    """
    meters = meters_of(meter_provider)
    source = client.tokens if isinstance(client, BaseClient) else client
    client.watch(_Telemetry(trace.get_tracer("vendorauth", __version__, tracer_provider, SCHEMA), meters))
    meters.watch(source)


@final
class _Telemetry:
    """Be the `Watcher` that makes spans, and hands the rest to *meters*."""

    def __init__(self, tracer: trace.Tracer, meters: Meters) -> None:
        self._tracer = tracer
        self._meters = meters

    def flight(self, account: str, kind: Kind, make: Callable[[], Work]) -> Work:
        """Make a span in a trace of its own, with a link to the span of the caller who is first."""
        if kind is Kind.TIDY:
            return make()
        caller = trace.get_current_span().get_span_context()
        return self._flight(account, kind, make, [Link(caller)] if caller.is_valid else [])

    async def _flight(self, account: str, kind: Kind, make: Callable[[], Work], links: list[Link]) -> Token | None:
        name, attributes = "vendorauth logout", _account(account)
        if kind is not Kind.LOGOUT:
            name, attributes["vendorauth.renewal.kind"] = "vendorauth renewal", kind.name.lower()
        with self._span(name, attributes, links=links):
            return await make()

    async def exchange(self, account: str, how: How, exchange: Awaitable[T]) -> T:
        """Make a span inside the renewal's."""
        with self._span(f"vendorauth {how}", _account(account)):
            return await exchange

    @contextmanager
    def call(self) -> Generator[None, None, None]:
        """Count the requests that are sent meanwhile."""
        before = _sends.set(count())
        try:
            yield
        finally:
            with suppress(ValueError):  # collected after its loop was closed, outside its own context
                _sends.reset(before)

    async def request(
        self, method: str, url: URL, request: Awaitable[aiohttp.ClientResponse]
    ) -> aiohttp.ClientResponse:
        """Make a span and a measurement of one request on the wire."""
        began, measured = time.perf_counter(), _attributes(method, url)
        try:
            with self._span(_name(method), {**measured, **_more(method, url)}, kind=SpanKind.CLIENT) as span:
                answer = await _alone(request)
                outcome = _outcome(answer.status)
                measured |= outcome
                span.set_attributes(outcome)
                if answer.status >= _FAILED:
                    span.set_status(StatusCode.ERROR)
                return answer
        except BaseException as error:
            measured["error.type"] = type(error).__name__
            raise
        finally:
            _harmless(partial(self._meters.request, time.perf_counter() - began, measured))

    def event(self, event: TokenEvent) -> None:
        """Count it."""
        self._meters.event(event)

    @contextmanager
    def _span(
        self,
        name: str,
        attributes: Attributes,
        *,
        kind: SpanKind = SpanKind.INTERNAL,
        links: list[Link] | None = None,
    ) -> Generator[Span, None, None]:
        start = partial(self._tracer.start_span, name, kind=kind, attributes=attributes, links=links)
        span = _harmless(start) or trace.INVALID_SPAN
        try:
            with trace.use_span(span, record_exception=False, set_status_on_exception=False):
                yield span
        except BaseException as error:
            span.set_attribute("error.type", type(error).__name__)
            span.set_status(Status(StatusCode.ERROR, str(error) if isinstance(error, VendorAuthError) else None))
            raise
        finally:
            _harmless(span.end)


def _harmless(record: Callable[[], T]) -> T | None:
    """Let a sampler, a processor or an exporter that raises cost what it was to *record*, and nothing else."""
    try:
        return record()
    except Exception as error:  # noqa: BLE001  the seam to whatever a user's providers are made of
        log.warning("OpenTelemetry failed to record: %s in %s", type(error).__name__, place_of(error))
    return None


async def _alone(request: Awaitable[T]) -> T:
    """Await *request* while other instrumentations of HTTP are silent."""
    before = context.attach(context.set_value(_SUPPRESS, value=True))
    try:
        return await request
    finally:
        context.detach(before)


def _account(account: str) -> Attributes:
    return {"vendorauth.account": account}


def _name(method: str) -> str:
    return method if method in _METHODS else "HTTP"


def _attributes(method: str, url: URL) -> Attributes:
    """Give what the conventions want of a request, in its span and its duration."""
    port = {} if url.port is None else {"server.port": url.port}
    return {"http.request.method": method if method in _METHODS else "_OTHER", "server.address": url.host or "", **port}


def _more(method: str, url: URL) -> Attributes:
    """Give what only a span has: the whole URL, but for the values of its query, and how often it was sent before."""
    more: Attributes = {"url.full": str(url.with_query([(name, "REDACTED") for name in url.query]))}
    if method not in _METHODS:
        more["http.request.method_original"] = method
    sends = _sends.get()
    if sends is not None and (resent := next(sends)):
        more["http.request.resend_count"] = resent
    return more


def _outcome(status: int) -> Attributes:
    return {"http.response.status_code": status, **({"error.type": str(status)} if status >= _FAILED else {})}

"""List what is measured, and what each measure has to reach."""

from __future__ import annotations

from typing import Final

from measuring import Goal, Measure

_CLIENTS: Final = (
    "aiohttp",
    "vendorauth",
    "orjson",
    "msgspec",
    "uvloop",
    "google-auth",
    "azure-core",
    "aiobotocore",
    "Authlib",
    "httpx2",
    "httpx",
)

_KEEPERS: Final = (*_CLIENTS, "azure-identity", "gcloud-aio-auth")

_ALL: Final = (
    Measure(
        name="get",
        title="Processor time of an authenticated GET, 64 at once, small JSON",
        reference="aiohttp",
        unit="µs",
        goals=(Goal("vendorauth ProGlove", 0.95), Goal("vendorauth Protogrid", 0.95)),
        run="bench_get:run",
        packages=_CLIENTS,
        scale="log",
    ),
    Measure(
        name="get-uvloop",
        title="Processor time of an authenticated GET, 64 at once, small JSON, on uvloop",
        reference="aiohttp",
        unit="µs",
        goals=(Goal("vendorauth ProGlove", 0.92), Goal("vendorauth Protogrid", 0.92)),
        run="bench_get:run_on_uvloop",
        packages=_CLIENTS,
        scale="log",
    ),
    Measure(
        name="token",
        title="Asking for a token that is fresh",
        reference="one check",
        unit="ns",
        goals=(Goal("vendorauth", 1.5),),
        run="bench_token:run",
        packages=(
            "vendorauth",
            "google-auth",
            "azure-core",
            "azure-identity",
            "aiobotocore",
            "Authlib",
            "gcloud-aio-auth",
        ),
        scale="log",
    ),
    Measure(
        name="page",
        title="A page of 1,000 items (280 KB) into typed objects, unknown fields kept",
        reference="orjson, dicts",
        unit="ms",
        goals=(Goal("vendorauth", 2.6),),
        run="bench_page:run",
        packages=("vendorauth", "orjson", "msgspec", "pydantic", "cattrs", "attrs"),
    ),
    Measure(
        name="import",
        title="Importing it, over the bare interpreter",
        reference="aiohttp",
        unit="ms",
        goals=(Goal("vendorauth", 1.15),),
        run="bench_import:run",
        packages=("vendorauth", "aiohttp", "azure-identity", "aiobotocore", "google-auth", "Authlib", "httpx"),
    ),
    Measure(
        name="crowd",
        title="10,000 callers when the token has expired, renewed in 50 ms, beside as many with a fresh one",
        reference="a fresh token",
        unit="s",
        goals=(Goal("vendorauth", 1.25), Goal("vendorauth", 1, "renewals"), Goal("vendorauth", 40, "MB more")),
        run="crowd:run",
        packages=_KEEPERS,
        scale="log",
    ),
    Measure(
        name="outage",
        title="100 callers told that the endpoint answers 500, beside one request to it",
        reference="one request",
        unit="ms",
        goals=(Goal("vendorauth", 2), Goal("vendorauth", 1, "requests")),
        run="crowd:run_outage",
        packages=_KEEPERS,
        scale="log",
    ),
    Measure(
        name="expiry",
        title="Latency (p99) across an expiry, 200 requests a second, renewed in 300 ms, beside none",
        reference="no expiry",
        unit="ms",
        goals=(Goal("vendorauth", 2, "p99 / p50"), Goal("vendorauth", 0, "% over 50 ms")),
        run="expiry:run",
        packages=_KEEPERS,
        scale="log",
    ),
    Measure(
        name="accounts",
        title="Memory of one more account over its token's strings, 10,000 of them",
        reference="",
        unit="KB",
        goals=(Goal("vendorauth", 1.5, "value"), Goal("vendorauth", 12, "µs")),
        run="accounts:run",
        packages=_CLIENTS,
        scale="log",
    ),
)

MEASURES: Final = {measure.name: measure for measure in _ALL}
"""Every measure by its name."""

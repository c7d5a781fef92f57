"""Measure how long an import takes in a fresh interpreter, beside the import of aiohttp."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Mapping
from typing import Final

from measuring import Row, paired, reference_row

ROUNDS: Final = 15
REFERENCE: Final = "aiohttp"
CODES: Final = {
    "vendorauth": "import vendorauth",
    "vendorauth, its clients": "from vendorauth import ApiClient, ProGloveClient, ProtogridClient",
    "what it stands on": "import aiohttp, attrs, cattrs, filelock, msgspec",
    "google-auth": "import google.auth.aio.transport.sessions",
    "azure-identity": "import azure.identity.aio",
    "aiobotocore": "import aiobotocore.session",
    "Authlib": "import authlib.integrations.httpx_client",
    "httpx": "import httpx",
}
"""Each name of this package is imported when it is first asked for, so that the second row is what an application pays."""


def run() -> list[Row]:
    """Give the rows: in each round, every import once."""
    codes = {REFERENCE: f"import {REFERENCE}", **CODES}
    rounds = [_round(codes) for _ in range(ROUNDS + 1)][1:]  # the first writes bytecode, fills caches
    return [
        reference_row(REFERENCE, [taken[REFERENCE] for taken in rounds], how=_how(codes[REFERENCE])),
        *[paired(name, [(taken[name], taken[REFERENCE]) for taken in rounds], how=_how(CODES[name])) for name in CODES],
    ]


def _how(code: str) -> str:
    return f"`{code}`"


def _round(codes: Mapping[str, str]) -> dict[str, float]:
    nothing = _milliseconds("pass")
    return {name: _milliseconds(code) - nothing for name, code in codes.items()}


def _milliseconds(code: str) -> float:
    """Give the processor time of an interpreter that does *code*."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ)  # noqa: S603  it is our own code
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1000

"""What the documentation's vendors are tried with: their scripts for the conformance suite, and their fakes."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web

EXAMPLES = Path(__file__).parent.parent / "docs" / "examples"
sys.path.append(str(EXAMPLES))
from api_key import ApiKeyFlow  # noqa: E402
from client_credentials import ClientCredentialsFlow  # noqa: E402
from depot import Depot  # noqa: E402

from vendorauth import PasswordCredentials, RefreshTokenCredentials, Response  # noqa: E402
from vendorauth.testing.conformance import FlowScript  # noqa: E402

__all__ = ["ApiKeyFlow", "ClientCredentialsFlow", "Depot"]

CLIENT = PasswordCredentials("warehouse-7", "a secret of warehouse-7")
KEY = RefreshTokenCredentials("key-of-warehouse-7")


def answered(body: Any, status: int = 200) -> Response:
    """Answer with JSON."""
    return Response(status, {}, msgspec.json.encode(body))


def jwt(life: float = 300, iat: float = 1_000_000) -> str:
    """Make a JWT that lives *life* seconds."""
    claims = json.dumps({"iat": iat, "exp": iat + life}).encode()
    return f"e30.{base64.urlsafe_b64encode(claims).decode().rstrip('=')}.c2ln"


GRANTED = {"access_token": "an-access-token-1", "token_type": "Bearer", "expires_in": 3600}

SCRIPTS = {
    "client-credentials": FlowScript(
        make=lambda: ClientCredentialsFlow("https://depot.example/v1/", account="warehouse"),
        credentials=CLIENT,
        login=answered({**GRANTED, "refresh_token": "a-refresh-token-1"}),
        login_refused=answered({"error": "invalid_client"}, 401),
        refresh=answered({**GRANTED, "access_token": "an-access-token-2"}),
        refresh_refused=answered({"error": "invalid_grant"}, 400),
    ),
    "client-credentials-without-refresh": FlowScript(
        make=lambda: ClientCredentialsFlow("https://depot.example", account="warehouse"),
        credentials=CLIENT,
        login=answered(GRANTED),
        login_refused=answered({"error": "invalid_client"}, 400),
    ),
    "api-key": FlowScript(
        make=lambda: ApiKeyFlow("https://keys.example/v1/", account="warehouse"),
        credentials=KEY,
        login=answered({"accessToken": jwt()}),
        login_refused=answered({"error": "unknown_key"}, 401),
    ),
}


@asynccontextmanager
async def serving(app: web.Application) -> AsyncGenerator[str]:
    """Serve *app* on a free port of this machine; give its base URL."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()

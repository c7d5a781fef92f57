import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from web_answers import answer_to, health_of

from vendorauth import FileTokenStore, ProGloveClient, VendorAuthError


@asynccontextmanager
async def lifespan(_: Starlette) -> AsyncGenerator[dict[str, Any]]:
    store = FileTokenStore(os.environ["STATE_DIRECTORY"])  # all workers share it, and so one login
    async with ProGloveClient.from_env(store=store) as proglove:
        yield {"proglove": proglove}


async def devices(request: Request) -> JSONResponse:
    proglove: ProGloveClient = request.state.proglove
    return JSONResponse([{"id": one.id, "battery": one.battery} async for one in proglove.devices()])


async def health(request: Request) -> JSONResponse:
    return JSONResponse(*health_of(request.state.proglove.tokens))


async def refuse(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, VendorAuthError)
    return JSONResponse(*answer_to(error))


app = Starlette(
    routes=[Route("/devices", devices), Route("/health", health)],
    exception_handlers={VendorAuthError: refuse},
    lifespan=lifespan,
)

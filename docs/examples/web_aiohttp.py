import os
from collections.abc import AsyncGenerator

from aiohttp import web
from aiohttp.typedefs import Handler
from web_answers import answer_to, health_of

from vendorauth import FileTokenStore, ProGloveClient, VendorAuthError

PROGLOVE = web.AppKey("proglove", ProGloveClient)


async def proglove(app: web.Application) -> AsyncGenerator[None]:
    store = FileTokenStore(os.environ["STATE_DIRECTORY"])  # all workers share it, and so one login
    async with ProGloveClient.from_env(store=store) as client:
        app[PROGLOVE] = client
        yield


async def devices(request: web.Request) -> web.Response:
    found = request.app[PROGLOVE].devices()
    return web.json_response([{"id": one.id, "battery": one.battery} async for one in found])


async def health(request: web.Request) -> web.Response:
    body, status, headers = health_of(request.app[PROGLOVE].tokens)
    return web.json_response(body, status=status, headers=headers)


@web.middleware
async def refuse(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except VendorAuthError as error:
        body, status, headers = answer_to(error)
        return web.json_response(body, status=status, headers=headers)


def make_app() -> web.Application:
    app = web.Application(middlewares=[refuse])
    app.cleanup_ctx.append(proglove)
    app.add_routes([web.get("/devices", devices), web.get("/health", health)])
    return app


if __name__ == "__main__":  # start it as often as you want workers: they share the port
    web.run_app(make_app(), host="127.0.0.1", port=int(os.environ["PORT"]), reuse_port=True, shutdown_timeout=10)

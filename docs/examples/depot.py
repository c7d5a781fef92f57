"""A made-up vendor to try things with: ``python depot.py`` runs it until Ctrl-C."""

import asyncio
import secrets
from collections.abc import Callable
from time import monotonic

from aiohttp import web


class Depot:
    """Keep pallets behind OAuth2 client credentials; its refresh tokens work once, if it gives any."""

    def __init__(self, life: int = 60, *, refreshable: bool = True, clock: Callable[[], float] = monotonic) -> None:
        self.clients = {"warehouse-7": "a secret of warehouse-7"}
        self.life, self.refreshable, self.clock = life, refreshable, clock
        self.logins = self.refreshes = self.refused = 0
        self.open = asyncio.Event()  # cleared, it lets all wait who want a token
        self.open.set()
        self.refresh_tokens = set[str]()
        self._ends = dict[str, float]()

    def application(self) -> web.Application:
        app = web.Application()
        app.add_routes([web.post("/oauth/token", self._issue), web.get("/pallets", self._pallets)])
        return app

    async def _issue(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        refreshing = form["grant_type"] == "refresh_token"
        self.refreshes += refreshing
        self.logins += not refreshing
        await self.open.wait()
        right = form["refresh_token"] in self.refresh_tokens if refreshing else self._knows(form)
        if not right:
            self.refused += 1
            return web.json_response({"error": "invalid_grant" if refreshing else "invalid_client"}, status=400)
        self.refresh_tokens.discard(form.get("refresh_token", ""))
        return web.json_response(self._granted())

    def _knows(self, form: dict[str, str]) -> bool:
        return self.clients.get(form["client_id"]) == form["client_secret"]

    def _granted(self) -> dict[str, object]:
        access_token, refresh_token = secrets.token_urlsafe(), secrets.token_urlsafe()
        self._ends[access_token] = self.clock() + self.life
        granted: dict[str, object] = {"access_token": access_token, "token_type": "Bearer", "expires_in": self.life}
        if not self.refreshable:
            return granted
        self.refresh_tokens.add(refresh_token)
        return {**granted, "refresh_token": refresh_token}

    async def _pallets(self, request: web.Request) -> web.Response:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if self.clock() >= self._ends.get(token, 0.0):
            return web.json_response({"error": "invalid_token"}, status=401)
        return web.json_response([{"id": "P-17", "place": "A3"}, {"id": "P-18", "place": "B1"}])


if __name__ == "__main__":
    web.run_app(Depot().application(), host="127.0.0.1", port=8017)

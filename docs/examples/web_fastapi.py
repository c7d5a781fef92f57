import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from secrets import compare_digest, token_urlsafe
from typing import Annotated, Any

from aiohttp import ClientSession
from fastapi import Body, Depends, FastAPI, Header, HTTPException, Request
from fastapi.responses import JSONResponse
from web_answers import answer_to, health_of

import vendorauth
from vendorauth import Challenge, PasswordCredentials, ProGloveClient, Token
from vendorauth.pool import ClientPool

FOLDER = Path(os.environ["STATE_DIRECTORY"])  # all workers share it
STORE, ASKED = vendorauth.FileTokenStore(FOLDER), vendorauth.FileTokenStore(FOLDER / "asked")


def make(tenant: str, session: ClientSession, login: PasswordCredentials | None = None) -> ProGloveClient:
    url, cognito_url = os.environ["PROGLOVE_BASE_URL"], os.environ.get("PROGLOVE_COGNITO_URL")
    return ProGloveClient(url, tenant, login, account=tenant, cognito_url=cognito_url, store=STORE, session=session)


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncGenerator[dict[str, Any]]:
    async with ClientPool(make, logins_per_second=30) as pool:
        yield {"pool": pool}


# Which tenant's user asks is known to what authenticates your users, such as a proxy: never believe the browser.
Tenant = Annotated[str, Header(alias="X-Tenant")]


async def client_of(request: Request, tenant: Tenant) -> AsyncGenerator[ProGloveClient]:
    async with request.state.pool.client(tenant) as proglove:
        yield proglove


Client = Annotated[ProGloveClient, Depends(client_of)]
Typed = Annotated[str, Body(min_length=1)]
app = FastAPI(lifespan=lifespan)


@app.exception_handler(vendorauth.VendorAuthError)
async def refuse(_: Request, error: vendorauth.VendorAuthError) -> JSONResponse:
    return JSONResponse(*answer_to(error, login=401))  # here, it is the users who log in at the vendor


@app.get("/health")
async def health(proglove: Client) -> JSONResponse:
    return JSONResponse(*health_of(proglove.tokens))


@app.get("/devices")
async def devices(proglove: Client) -> list[dict[str, Any]]:
    return [{"id": one.id, "battery": one.battery} async for one in proglove.devices()]


@app.post("/login", status_code=204)
async def log_in(username: Typed, password: Typed, tenant: Tenant) -> None:
    credentials = PasswordCredentials(username, password)  # kept nowhere: the token is what stays
    async with ClientSession() as session, make(tenant, session, credentials) as proglove:
        await proglove.login()


@app.exception_handler(vendorauth.ChallengeRequired)
async def ask(_: Request, error: vendorauth.ChallengeRequired) -> JSONResponse:
    challenge, number = error.challenge, token_urlsafe()
    kept = Token(value=challenge.to_json(), issued_at=datetime.now(UTC), details={"number": number})
    await ASKED.save(challenge.account, kept)  # all workers find it there, but no browser, and no client
    return JSONResponse({"challenge": number, "fields": challenge.fields, "hint": challenge.hint}, 401)


@app.post("/login/{number}", status_code=204)
async def answer(number: str, answers: dict[str, str], tenant: Tenant, proglove: Client) -> None:
    kept = await ASKED.load(tenant)  # what this tenant was asked last, and no other one
    if kept is None or not compare_digest(kept.details["number"].encode(), number.encode()):
        raise HTTPException(404, "nothing was asked, or something else since then")
    challenge = Challenge.from_json(kept.value)
    if {*answers} != {*challenge.fields}:
        raise HTTPException(422, "these are not the fields")
    await proglove.tokens.answer(challenge, answers)
    await ASKED.delete(tenant)

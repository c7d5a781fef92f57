"""Every path by which an error of a login leaves the package, with secrets all along it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path as FilePath
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import attrs
import pytest

from _marks import BODY, CODE, PASSWORD
from _planted import DEVICES, JANE, Planted, cancelled, failure, glove_get, grid_get, jane, path
from _stores import WrappedStore
from vendorauth import (
    AuthError,
    AuthServiceUnavailable,
    Challenge,
    ChallengeRequired,
    ConfigurationError,
    FileTokenStore,
    InvalidCredentials,
    MemoryTokenStore,
    PasswordCredentials,
    ProGloveClient,
    ProtocolError,
    ProtogridClient,
    RequestTimeout,
    StoreConflict,
    StoreUnavailable,
    StoreUnreadable,
    Token,
    TransportError,
)
from vendorauth.stores._names import stored_name


@path(InvalidCredentials)
async def refused(world: Planted) -> None:
    world.glove.password = "another"
    await glove_get(world)


@path(InvalidCredentials)
async def refused_a_while_ago(world: Planted) -> None:
    world.glove.password = "another"
    client = world.proglove()
    with pytest.raises(InvalidCredentials):
        await client.get(DEVICES)
    await client.get(DEVICES)


@path(AuthServiceUnavailable)
async def login_fails(world: Planted) -> None:
    world.glove.fail_next(1, 503, BODY.encode(), {"X-Echo": PASSWORD}, on="login")
    await glove_get(world)


@path(AuthServiceUnavailable)
async def information_fails(world: Planted) -> None:
    world.glove.fail_next(1, 500, BODY.encode(), on="auth-information")
    await glove_get(world)


@path(TransportError)
async def login_is_lost(world: Planted) -> None:
    world.glove.lose_next(on="login")
    await glove_get(world)


@path(ProtocolError)
async def login_is_no_json(world: Planted) -> None:
    world.glove.fail_next(1, 200, BODY.encode(), on="login")
    await glove_get(world)


@path(ProtocolError)
async def login_has_a_wrong_form(world: Planted) -> None:
    world.glove.amend("login", lambda _: {"AuthenticationResult": {"IdToken": [BODY], "RefreshToken": PASSWORD}})
    await glove_get(world)


@path(ProtocolError)
async def challenge_without_a_name(world: Planted) -> None:
    world.glove.amend("login", lambda body: {**body["AuthenticationResult"], "ChallengeName": f"{BODY} "})
    await glove_get(world)


@path(ChallengeRequired)
async def challenged(world: Planted) -> None:
    world.glove.require("SOFTWARE_TOKEN_MFA")
    await glove_get(world)


async def challenge_of(world: Planted, client: Any) -> Challenge:
    world.glove.require("SOFTWARE_TOKEN_MFA")
    with pytest.raises(ChallengeRequired) as caught:
        await client.get(DEVICES)
    return caught.value.challenge


@path(InvalidCredentials)
async def wrong_code(world: Planted) -> None:
    client = world.proglove()
    await client.tokens.answer(await challenge_of(world, client), {"SOFTWARE_TOKEN_MFA_CODE": CODE})


@path(ConfigurationError)
async def code_in_a_wrong_field(world: Planted) -> None:
    client = world.proglove()
    await client.tokens.answer(await challenge_of(world, client), {"SMS_MFA_CODE": CODE})


@path(ConfigurationError)
async def code_for_another_account(world: Planted) -> None:
    await world.proglove().tokens.answer(Challenge(name="X", account="somebody"), {"X": CODE})


@path(RuntimeError)
async def code_for_a_closed_client(world: Planted) -> None:
    client = world.proglove()
    await client.aclose()
    await client.tokens.answer(Challenge(name="X", account=JANE), {"X": CODE})


@path(asyncio.CancelledError)
async def cancelled_while_answering(world: Planted) -> None:
    client = world.proglove()
    answering = client.tokens.answer(await challenge_of(world, client), {"SOFTWARE_TOKEN_MFA_CODE": CODE})
    await cancelled(world.glove, "challenge", answering)


@path(InvalidCredentials)
async def wrong_code_from_a_callable(world: Planted) -> None:
    async def on_challenge(_: Challenge) -> Mapping[str, str]:
        return {"SOFTWARE_TOKEN_MFA_CODE": CODE}

    world.glove.require("SOFTWARE_TOKEN_MFA")
    await world.proglove(on_challenge=on_challenge).get(DEVICES)


@path(AuthServiceUnavailable)
async def callable_fails(world: Planted) -> None:
    async def credentials() -> PasswordCredentials:
        message = "no vault today"
        raise LookupError(message)

    await world.proglove(credentials, account=JANE).get(DEVICES)


@path(asyncio.CancelledError)
async def cancelled_while_logging_in(world: Planted) -> None:
    await cancelled(world.glove, "login", world.proglove().get(DEVICES))


@path(RequestTimeout)
async def login_takes_too_long(world: Planted) -> None:
    with world.glove.hold("login"):
        await world.proglove(timeout=0.05).get(DEVICES)


@path(InvalidCredentials)
async def protogrid_refuses(world: Planted) -> None:
    world.grid.password = "another"
    await grid_get(world)


@path(ProtocolError)
async def protogrid_gives_no_cookie(world: Planted) -> None:
    world.grid.cookie = "empty"
    await grid_get(world)


@path(AuthError)
async def protogrid_fails(world: Planted) -> None:
    world.grid.fail_next(1, 200, failure(), {"Set-Cookie": f"session={BODY}"}, on="login")
    await grid_get(world)


@path(InvalidCredentials)
async def basic_is_refused(world: Planted) -> None:
    world.grid.password = "another"
    await grid_get(world, scheme="basic")


@path(InvalidCredentials)
async def headers_are_refused(world: Planted) -> None:
    world.grid.password = "another"
    await grid_get(world, scheme="headers")


# Making things.


@path(ConfigurationError)
async def password_that_no_header_takes(world: Planted) -> None:
    world.protogrid(PasswordCredentials(JANE, f"{PASSWORD}é"))


@path(ConfigurationError)
async def user_that_basic_does_not_take(world: Planted) -> None:
    world.protogrid(PasswordCredentials("jane:doe", PASSWORD), scheme="basic")


@path(ConfigurationError)
async def credentials_of_a_wrong_kind(world: Planted) -> None:
    ProGloveClient(world.glove.base_url, "demo0001", (JANE, PASSWORD), account=JANE)  # type: ignore[arg-type]  # a slip


@path(ConfigurationError)
async def proxy_of_a_wrong_kind(world: Planted) -> None:
    ProtogridClient(world.grid.base_url, jane(), proxy=f"//{CODE}@proxy")


@path(TypeError)
async def password_of_a_wrong_kind(world: Planted) -> None:
    PasswordCredentials(JANE, PASSWORD.encode())  # type: ignore[arg-type]  # a slip


@path(ValueError)
async def token_with_a_naive_time(world: Planted) -> None:
    Token(value=PASSWORD, issued_at=datetime(2026, 1, 1), refresh_token=PASSWORD)  # noqa: DTZ001  a slip


@path(ValueError)
async def challenge_with_a_naive_time(world: Planted) -> None:
    Challenge(name="X", account=JANE, hidden={"session": CODE}, expires_at=datetime(2026, 1, 1))  # noqa: DTZ001  a slip


@path(ValueError)
async def challenge_that_cannot_be_read(world: Planted) -> None:
    Challenge.from_json(f'{{"hidden": {{"session": "{CODE}"}}}}')


@path(ValueError)
async def challenge_of_another_time(world: Planted) -> None:
    written = Challenge(name="X", account=JANE, hidden={"session": CODE}, expires_at=datetime(2026, 1, 1, tzinfo=UTC))
    del world
    text = written.to_json().replace("Z", "")
    try:
        Challenge.from_json(text)
    finally:
        del text


# Stores.


@path(StoreUnreadable)
async def record_of_a_newer_version(world: Planted) -> None:
    with TemporaryDirectory() as folder:
        store = FileTokenStore(folder)
        (FilePath(folder) / f"{stored_name(JANE)}.json").write_text(f'{{"version": 99, "token": "{CODE}"}}')
        await store.load(JANE)


@path(StoreUnavailable)
async def record_that_cannot_be_written(world: Planted) -> None:
    with TemporaryDirectory() as folder:
        await FileTokenStore(folder).save(JANE, attrs.evolve(token(), details={"odd": object(), "key": CODE}))


@path(StoreUnavailable)
async def disk_that_fails(world: Planted) -> None:
    with TemporaryDirectory() as folder, patch("os.fsync", side_effect=OSError(28, "No space left on device")):
        await FileTokenStore(folder).save(JANE, token())


@path(StoreUnavailable)
async def store_of_a_user_that_fails(world: Planted) -> None:
    await world.proglove(store=Broken(), strict_store=True).get(DEVICES)


@path(StoreConflict)
async def newer_token(world: Planted) -> None:
    store = MemoryTokenStore()
    await store.save(JANE, attrs.evolve(token(), generation=9))
    await store.save(JANE, token())


class Broken(WrappedStore):
    """Fail to save."""

    async def save(self, account: str, token: Token) -> None:
        """Fail."""
        message = "no"
        raise LookupError(message)


def token() -> Token:
    """Make a token of secrets."""
    return Token(value=PASSWORD, issued_at=datetime(2026, 1, 1, tzinfo=UTC), refresh_token=CODE)

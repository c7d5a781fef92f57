"""Run both fakes on the loopback interface, for a person who wants to try the clients out."""

from __future__ import annotations

import asyncio
import json
import shlex
import signal
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Final, TypeAlias

from vendorauth.cli.controls import Stand, serving
from vendorauth.testing import FakeProGlove, FakeProtogrid

Say: TypeAlias = Callable[[str], None]
"""Prints one line."""

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


async def run_sandbox(
    proglove_port: int,
    protogrid_port: int,
    token_life: float,
    say: Say,
    *,
    port: int = 0,
    mfa: str | None = None,
    as_json: bool = False,
) -> None:
    """
    Run both fakes until SIGINT or SIGTERM, and tell *say* what to export; all of it can be pasted into a shell.

    Their switches are served on *port*; see `vendorauth.cli.controls`. With *mfa*, ProGlove asks for that code at each
    login. With *as_json*, it is one line of JSON instead.

    Raises:
        OSError: A port is taken.
    """

    def make_glove(port: int) -> FakeProGlove:
        glove = FakeProGlove(port=port, token_life=token_life)
        if mfa is not None:
            glove.require("SOFTWARE_TOKEN_MFA", code=mfa)
        return glove

    def make_grid(port: int) -> FakeProtogrid:
        return FakeProtogrid(port=port, session_life=token_life)

    with _told_to_stop() as stop:
        async with (
            Stand(make_glove, proglove_port) as glove,
            Stand(make_grid, protogrid_port) as grid,
            serving({"proglove": glove, "protogrid": grid}, port) as url,
        ):
            _show(environment(glove.fake, grid.fake) | {"VENDORAUTH_SANDBOX_URL": url}, say, as_json=as_json)
            await stop.wait()
    if not as_json:
        say("# Both have stopped.")


def _show(variables: Mapping[str, str], say: Say, *, as_json: bool) -> None:
    if as_json:
        say(json.dumps(variables))
        return
    say("# A fake ProGlove and a fake Protogrid, on this machine only. Their passwords are fakes: no secret is shown.")
    for name, value in variables.items():
        say(f"export {name}={shlex.quote(value)}")
    say("# They run until Ctrl-C.")


def environment(glove: FakeProGlove, grid: FakeProtogrid) -> dict[str, str]:
    """Give the variables that `ProGloveClient.from_env` and `ProtogridClient.from_env` read, for running fakes."""
    return {
        "PROGLOVE_BASE_URL": glove.base_url,
        "PROGLOVE_CUSTOMER_ID": glove.customer_id,
        "PROGLOVE_COGNITO_URL": glove.cognito_url,
        "PROGLOVE_USERNAME": glove.username,
        "PROGLOVE_PASSWORD": glove.password,
        "PROTOGRID_BASE_URL": grid.base_url,
        "PROTOGRID_USERNAME": grid.username,
        "PROTOGRID_PASSWORD": grid.password,
    }


@contextmanager
def _told_to_stop() -> Generator[asyncio.Event]:
    """Give an event that is set by SIGINT and SIGTERM; their handlers are put back at the end."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def tell(*_: object) -> None:
        loop.call_soon_threadsafe(stop.set)

    # Not loop.add_signal_handler(), which Windows does not have.
    before = [(number, signal.signal(number, tell)) for number in _SIGNALS]
    try:
        yield stop
    finally:
        for number, handler in before:
            signal.signal(number, handler)

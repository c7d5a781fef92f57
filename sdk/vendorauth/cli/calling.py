"""Send one request, or follow the pages of a list, and print the JSON that comes back."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from http import HTTPStatus
from pathlib import Path
from typing import Final, Literal, TypeAlias, TypeGuard, cast
from urllib.parse import parse_qs, urlsplit

import msgspec

from vendorauth._paging import in_turn
from vendorauth.cli.clients import client_for
from vendorauth.cli.failures import naming
from vendorauth.cli.profiles import Profile, find_profile
from vendorauth.cli.screen import console, plain, write, write_json
from vendorauth.client import BaseClient
from vendorauth.errors import ConfigurationError
from vendorauth.proglove.lists import MOST, Source, linked, raw_page
from vendorauth.proglove.models import Page
from vendorauth.proglove.windows import is_whole
from vendorauth.protogrid.models import read_envelope
from vendorauth.tokens import JSON

Query: TypeAlias = Mapping[str, Sequence[str] | str]

_CUT: Final = (
    "With gateway_id the vendor gives no second page: it may have cut the list off after these {} items. "
    "`vendorauth export PROFILE events --gateway ID` gets them all."
)


def send(name: str, method: Literal["GET", "POST"], path: str, params: Sequence[str], body: str | None = None) -> None:
    """
    Send one request as the profile *name*, and print the JSON of its answer.

    Raises:
        ConfigurationError: A parameter or the body is not in order.
        VendorAuthError: As `vendorauth.ApiClient.request`.
    """
    profile, query = find_profile(name), _params(params)
    payload = {} if body is None else {"json": _body(body)}
    with naming(name):
        status, answer = asyncio.run(_answer(name, profile, method, path, query, payload))
    if status != HTTPStatus.NO_CONTENT:
        write_json(answer)


def send_for_all(name: str, path: str, params: Sequence[str]) -> None:
    """
    Follow the pages of the list at *path*, and print its items as one JSON array, while they come.

    Raises:
        ConfigurationError: A parameter is not in order.
        VendorAuthError: As `vendorauth.ApiClient.request`; what is printed until then is no whole JSON.
    """
    with naming(name):
        asyncio.run(_print_all(name, find_profile(name), path, _params(params)))


async def _answer(
    name: str, profile: Profile, method: str, path: str, params: Query, payload: Mapping[str, JSON]
) -> tuple[int, JSON]:
    async with client_for(name, profile) as client:
        response = await client.request(method, path, params=params, **payload)
        return response.status, response.json()


async def _print_all(name: str, profile: Profile, path: str, params: Query) -> None:
    pages = _proglove_pages if profile.vendor == "proglove" else _protogrid_pages
    before = "["
    async with client_for(name, profile) as client, aclosing(pages(client, path, params)) as following:
        async for items in following:
            for item in items:
                write(f"{before}\n  {msgspec.json.encode(item).decode()}")
                before = ","
    write("[]\n" if before == "[" else "\n]\n")


async def _proglove_pages(client: BaseClient, path: str, params: Query) -> AsyncGenerator[Sequence[JSON], None]:
    """Follow ``links.next``, always with the same path and parameters; say where the vendor may have cut a list off."""
    label, limit = f"GET {path}", _limit_without_pages(path, params)

    async def ask(more: Mapping[str, str | int]) -> Page[JSON]:
        response = await client.request("GET", path, params={**params, **more})
        return raw_page(response.json(), label)

    source = Source(ask, label, client.tokens.flow.base_url)
    async with aclosing(linked(source, lambda item: item).pages()) as pages:
        async for page in pages:
            yield page.items
            if limit and not is_whole(page, limit):
                console(errors=True).print(plain(_CUT.format(len(page.items))))


def _limit_without_pages(path: str, params: Query) -> int | None:
    """Give after how many events the vendor cuts a gateway's off, without a link to more; ``None`` for other lists."""
    asked = {**parse_qs(urlsplit(path).query), **params}
    if "gateway_id" not in asked:
        return None
    limit = asked.get("limit", ("",))[-1]
    return min(int(limit), MOST) if limit.isdecimal() else MOST


async def _protogrid_pages(client: BaseClient, path: str, params: Query) -> AsyncGenerator[Sequence[JSON], None]:
    """Follow ``next_card_key``, which is the next page's ``start_key`` (Protogrid wiki, API Endpoints)."""

    async def fetch(key: str) -> tuple[Sequence[JSON], Callable[[], str | None]]:
        response = await client.request("GET", path, params={**params, "start_key": key} if key else params)
        result = read_envelope(response.message, response.label).result
        if not _is_view(result):
            return result if _is_list(result) else [result], lambda: None
        following: JSON = result.get("next_card_key")
        text = msgspec.json.encode(following).decode() if following else None
        return result["rows"], lambda: text

    async with aclosing(in_turn(fetch, "", f"GET {path}")) as pages:
        async for rows in pages:
            yield rows


def _is_view(result: JSON) -> TypeGuard[dict[str, JSON]]:
    return isinstance(result, dict) and _is_list(cast("dict[str, JSON]", result).get("rows"))


def _is_list(result: JSON) -> TypeGuard[list[JSON]]:
    return isinstance(result, list)


def _params(given: Sequence[str]) -> Query:
    pairs = [one.partition("=") for one in given]
    wrong = next((name for name, equals, _ in pairs if not name or not equals), None)
    if wrong is not None:
        message = f"--param is NAME=VALUE, which {wrong!r} is not"
        raise ConfigurationError(message)
    values: dict[str, list[str]] = {}
    for name, _, value in pairs:
        values.setdefault(name, []).append(value)
    return values


def _body(text: str) -> JSON:
    """Read JSON: *text* itself, the file after an at sign, or the standard input for a dash."""
    try:
        content = sys.stdin.read() if text == "-" else Path(text[1:]).read_text("utf-8") if text[:1] == "@" else text
        return msgspec.json.decode(content)
    except OSError as error:
        message = f"{text[1:]} can't be read: {error.strerror}"
    except (ValueError, RecursionError):
        message = "--json is no JSON: give JSON, @FILE, or - for the standard input"
    raise ConfigurationError(message)
